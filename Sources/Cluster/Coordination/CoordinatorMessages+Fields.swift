import NIOCore
import Wire

/// The fields that entries and changes share.
struct CoordinatorFields {
    var key: String?
    var value: ByteBuffer?
    var revision: UInt64 = 0

    init(_ reader: FieldReader) throws(FieldError) {
        var reader = reader
        while let field = try reader.next() {
            switch field.number {
            case 1: key = try field.string()
            case 2: value = try field.bytes()
            case 3: revision = try field.uint64()
            default: break
            }
        }
    }
}

extension CoordinatorEntry: FieldCodable {
    public func encode(into writer: inout FieldWriter) {
        writer.write(1, key)
        writer.write(2, value)
        writer.write(3, revision)
    }

    public init(from reader: FieldReader) throws(FieldError) {
        let fields = try CoordinatorFields(reader)
        self.init(key: try fields.key.required(1), value: fields.value ?? ByteBuffer(), revision: fields.revision)
    }
}

extension CoordinatorTransaction: FieldCodable {
    public func encode(into writer: inout FieldWriter) {
        for condition in conditions {
            writer.write(1) {
                switch condition {
                case .absent(let key): $0.write(1, key)
                case .revision(let key, let revision):
                    $0.write(1, key)
                    $0.write(2, revision)
                }
            }
        }
        for operation in operations {
            writer.write(2) {
                $0.write(1, operation.key)
                guard case .put(_, let value, let lease) = operation else { return }
                $0.write(2, value)
                if let lease {
                    $0.write(3, lease.id)
                    $0.write(4, lease.duration.wireMilliseconds)
                }
            }
        }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        self.init(operations: [])
        while let field = try reader.next() {
            switch field.number {
            case 1: conditions.append(try Self.condition(try field.message()))
            case 2: operations.append(try Self.operation(try field.message()))
            default: break
            }
        }
    }

    private static func condition(_ reader: FieldReader) throws(FieldError) -> Condition {
        var reader = reader
        var key: String?
        var revision: UInt64?
        while let field = try reader.next() {
            switch field.number {
            case 1: key = try field.string()
            case 2: revision = try field.uint64()
            default: break
            }
        }
        guard let revision else { return .absent(try key.required(1)) }
        return .revision(try key.required(1), revision)
    }

    private static func operation(_ reader: FieldReader) throws(FieldError) -> Operation {
        var reader = reader
        var key: String?
        var value: ByteBuffer?
        var lease: UInt64?
        var duration: Duration = .zero
        while let field = try reader.next() {
            switch field.number {
            case 1: key = try field.string()
            case 2: value = try field.bytes()
            case 3: lease = try field.uint64()
            case 4: duration = try field.milliseconds()
            default: break
            }
        }
        guard let value else { return .delete(try key.required(1)) }
        return .put(
            try key.required(1), value, lease: lease.map { CoordinatorLease(id: $0, duration: duration) })
    }
}

extension CoordinatorFailure: FieldCodable {
    public func encode(into writer: inout FieldWriter) {
        switch self {
        case .unavailable(let reason): writer.write(1, reason)
        case .leaseExpired: writer.write(2, true)
        case .compacted: writer.write(3, true)
        case .invalid(let reason): writer.write(4, reason)
        }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var failure: CoordinatorFailure?
        while let field = try reader.next() {
            switch field.number {
            case 1: failure = .unavailable(try field.string())
            case 2: failure = .leaseExpired
            case 3: failure = .compacted
            case 4: failure = .invalid(try field.string())
            default: break
            }
        }
        self = try failure.required(1)
    }
}
