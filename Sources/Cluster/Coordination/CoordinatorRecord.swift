import NIOCore
import Wire

/// One durable change of the embedded coordinator, as it lies in its journal.
public enum CoordinatorRecord: Hashable, Sendable, FieldCodable {
    public struct Change: Hashable, Sendable {
        public var key: String
        /// Absent when the key is deleted.
        public var value: ByteBuffer?
        public var lease: UInt64?
    }

    case commit(revision: UInt64, [Change])
    case grant(lease: UInt64, Duration)
    /// Revoked or expired; its keys go at `revision`, which stays the same when it has none.
    case end(lease: UInt64, revision: UInt64)

    public func encode(into writer: inout FieldWriter) {
        switch self {
        case .commit(let revision, let changes):
            writer.write(1, revision)
            for change in changes {
                writer.write(2) {
                    $0.write(1, change.key)
                    $0.write(2, ifPresent: change.value)
                    $0.write(3, ifPresent: change.lease)
                }
            }
        case .grant(let lease, let duration):
            writer.write(3, lease)
            writer.write(4, duration.wireMilliseconds)
        case .end(let lease, let revision):
            writer.write(5, lease)
            writer.write(1, revision)
        }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var revision: UInt64?
        var changes: [Change] = []
        var granted: UInt64?
        var duration: Duration?
        var ended: UInt64?
        while let field = try reader.next() {
            switch field.number {
            case 1: revision = try field.uint64()
            case 2: changes.append(try Change(from: try field.message()))
            case 3: granted = try field.uint64()
            case 4: duration = try field.milliseconds()
            case 5: ended = try field.uint64()
            default: break
            }
        }
        if let granted {
            self = .grant(lease: granted, try duration.required(4))
        } else if let ended {
            self = .end(lease: ended, revision: try revision.required(1))
        } else {
            self = .commit(revision: try revision.required(1), changes)
        }
    }
}

extension CoordinatorRecord.Change {
    fileprivate init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var key: String?
        var value: ByteBuffer?
        var lease: UInt64?
        while let field = try reader.next() {
            switch field.number {
            case 1: key = try field.string()
            case 2: value = try field.bytes()
            case 3: lease = try field.uint64()
            default: break
            }
        }
        self.init(key: try key.required(1), value: value, lease: lease)
    }
}

/// The whole durable state of the embedded coordinator.
struct CoordinatorSnapshot: Sendable, FieldCodable {
    struct Entry: Hashable, Sendable {
        var key: String
        var value: ByteBuffer
        var revision: UInt64
        var lease: UInt64?
    }

    var revision: UInt64
    var lastLease: UInt64
    var leases: [(id: UInt64, duration: Duration)]
    var entries: [Entry]

    func encode(into writer: inout FieldWriter) {
        writer.write(1, revision)
        writer.write(2, lastLease)
        for lease in leases {
            writer.write(3) {
                $0.write(1, lease.id)
                $0.write(2, lease.duration.wireMilliseconds)
            }
        }
        for entry in entries {
            writer.write(4) {
                $0.write(1, entry.key)
                $0.write(2, entry.value)
                $0.write(3, entry.revision)
                $0.write(4, ifPresent: entry.lease)
            }
        }
    }
}

extension CoordinatorSnapshot {
    init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var revision: UInt64?
        self.init(revision: 0, lastLease: 0, leases: [], entries: [])
        while let field = try reader.next() {
            switch field.number {
            case 1: revision = try field.uint64()
            case 2: lastLease = try field.uint64()
            case 3:
                var inner = try field.message()
                var id: UInt64?
                var duration: Duration?
                while let field = try inner.next() {
                    if field.number == 1 { id = try field.uint64() }
                    if field.number == 2 { duration = try field.milliseconds() }
                }
                leases.append((try id.required(1), try duration.required(2)))
            case 4: entries.append(try Entry(from: try field.message()))
            default: break
            }
        }
        self.revision = try revision.required(1)
    }
}

extension CoordinatorSnapshot.Entry {
    fileprivate init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var key: String?
        var value = ByteBuffer()
        var revision: UInt64?
        var lease: UInt64?
        while let field = try reader.next() {
            switch field.number {
            case 1: key = try field.string()
            case 2: value = try field.bytes()
            case 3: revision = try field.uint64()
            case 4: lease = try field.uint64()
            default: break
            }
        }
        self.init(key: try key.required(1), value: value, revision: try revision.required(3), lease: lease)
    }
}
