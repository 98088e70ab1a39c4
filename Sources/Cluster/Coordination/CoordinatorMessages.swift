import NIOCore
import Wire

/// A call of ``Coordinator``, as it goes over the wire to the router that serves it.
public enum CoordinatorRequest: Hashable, Sendable, FieldCodable {
    case get(String)
    case list(prefix: String)
    case commit(CoordinatorTransaction)
    case grantLease(Duration)
    case keepAlive(lease: UInt64)
    case revoke(lease: UInt64)

    public func encode(into writer: inout FieldWriter) {
        switch self {
        case .get(let key): writer.write(1, key)
        case .list(let prefix): writer.write(2, prefix)
        case .commit(let transaction): writer.write(3, transaction)
        case .grantLease(let duration): writer.write(4, duration.wireMilliseconds)
        case .keepAlive(let lease): writer.write(5, lease)
        case .revoke(let lease): writer.write(6, lease)
        }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var request: CoordinatorRequest?
        while let field = try reader.next() {
            switch field.number {
            case 1: request = .get(try field.string())
            case 2: request = .list(prefix: try field.string())
            case 3: request = .commit(try field.message())
            case 4: request = .grantLease(try field.milliseconds())
            case 5: request = .keepAlive(lease: try field.uint64())
            case 6: request = .revoke(lease: try field.uint64())
            default: break
            }
        }
        self = try request.required(1)
    }
}

/// The answer to a ``CoordinatorRequest``.
public enum CoordinatorReply: Hashable, Sendable, FieldCodable {
    /// To `get`.
    case entry(CoordinatorEntry?)
    /// To `list`.
    case listing(CoordinatorListing)
    /// To `commit`: the new revision, or `nil` when a condition did not hold.
    case committed(UInt64?)
    /// To `grantLease`.
    case lease(CoordinatorLease)
    /// To `keepAlive` and `revoke`.
    case done
    case failed(CoordinatorFailure)

    public func encode(into writer: inout FieldWriter) {
        switch self {
        case .entry(let entry):
            writer.write(1) { if let entry { $0.write(1, entry) } }
        case .listing(let listing):
            writer.write(2) {
                $0.write(1, listing.revision)
                for entry in listing.entries { $0.write(2, entry) }
            }
        case .committed(let revision):
            writer.write(3) { $0.write(1, ifPresent: revision) }
        case .lease(let lease):
            writer.write(4) {
                $0.write(1, lease.id)
                $0.write(2, lease.duration.wireMilliseconds)
            }
        case .done: writer.write(5, true)
        case .failed(let failure): writer.write(6, failure)
        }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var reply: CoordinatorReply?
        while let field = try reader.next() {
            switch field.number {
            case 1:
                var inner = try field.message()
                var entry: CoordinatorEntry?
                while let field = try inner.next() {
                    if field.number == 1 { entry = try field.message() }
                }
                reply = .entry(entry)
            case 2: reply = .listing(try Self.listing(try field.message()))
            case 3:
                var inner = try field.message()
                var revision: UInt64?
                while let field = try inner.next() {
                    if field.number == 1 { revision = try field.uint64() }
                }
                reply = .committed(revision)
            case 4: reply = .lease(try Self.lease(try field.message()))
            case 5: reply = .done
            case 6: reply = .failed(try field.message())
            default: break
            }
        }
        self = try reply.required(1)
    }

    private static func listing(_ reader: FieldReader) throws(FieldError) -> CoordinatorListing {
        var reader = reader
        var listing = CoordinatorListing(entries: [], revision: 0)
        while let field = try reader.next() {
            switch field.number {
            case 1: listing.revision = try field.uint64()
            case 2: listing.entries.append(try field.message())
            default: break
            }
        }
        return listing
    }

    private static func lease(_ reader: FieldReader) throws(FieldError) -> CoordinatorLease {
        var reader = reader
        var lease = CoordinatorLease(id: 0, duration: .zero)
        while let field = try reader.next() {
            switch field.number {
            case 1: lease.id = try field.uint64()
            case 2: lease.duration = try field.milliseconds()
            default: break
            }
        }
        return lease
    }
}

/// Opens a watch; the body of the stream's opening.
public struct CoordinatorWatchRequest: Hashable, Sendable, FieldCodable {
    public var prefix: String
    public var after: UInt64

    public init(prefix: String, after: UInt64) {
        self.prefix = prefix
        self.after = after
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, prefix)
        writer.write(2, after)
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        self.init(prefix: "", after: 0)
        while let field = try reader.next() {
            switch field.number {
            case 1: prefix = try field.string()
            case 2: after = try field.uint64()
            default: break
            }
        }
    }
}

/// One item of a watch's stream.
public enum CoordinatorWatchItem: Hashable, Sendable, FieldCodable {
    case change(CoordinatorChange)
    /// The last item: why the watch ends.
    case failed(CoordinatorFailure)

    public func encode(into writer: inout FieldWriter) {
        switch self {
        case .change(let change):
            writer.write(1) {
                $0.write(1, change.key)
                $0.write(2, ifPresent: change.value)
                $0.write(3, change.revision)
            }
        case .failed(let failure): writer.write(2, failure)
        }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var item: CoordinatorWatchItem?
        while let field = try reader.next() {
            switch field.number {
            case 1:
                let entry = try CoordinatorFields(try field.message())
                item = .change(
                    CoordinatorChange(key: try entry.key.required(1), value: entry.value, revision: entry.revision))
            case 2: item = .failed(try field.message())
            default: break
            }
        }
        self = try item.required(1)
    }
}
