import Identity
import NIOCore
import Wire

/// The body of a `journal` stream's opening.
struct JournalOpening: Hashable, Sendable, FieldCodable {
    /// When the journaling process started: tells it apart from the one that follows it under the same name.
    var startedAt: Timestamp

    init(startedAt: Timestamp) { self.startedAt = startedAt }

    func encode(into writer: inout FieldWriter) { writer.write(1, startedAt) }

    init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var startedAt: Timestamp?
        while let field = try reader.next() { if field.number == 1 { startedAt = try field.timestamp() } }
        self.startedAt = try startedAt.required(1)
    }
}

/// What a gateway tells its buddy, before the clients see anything of it: one loop's tick, or the end.
enum JournalMessage: Sendable, FieldCodable {
    case tick(JournalTick)
    /// The gateway journals elsewhere from now on, or has handed everything over: forget it all.
    case end

    func encode(into writer: inout FieldWriter) {
        switch self {
        case .tick(let tick): writer.write(1, tick)
        case .end: writer.write(2, true)
        }
    }

    init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var message: JournalMessage?
        while let field = try reader.next() {
            switch field.number {
            case 1: message = .tick(try field.message())
            case 2: message = .end
            default: break
            }
        }
        self = try message.required(1)
    }
}

/// What happened to the sessions of one loop since its last tick.
struct JournalTick: Sendable, FieldCodable {
    struct Opened: Sendable {
        /// The session's number in the journal from now on.
        var number: UInt32
        /// Without the bytes of what was sent.
        var record: SessionRecord
    }

    var loop: Int
    /// Rising; the answer names it.
    var number: UInt64
    /// ``JournalGroup``s, in order.
    var groups = ByteBuffer()
    /// Sessions as they stand after the groups.
    var opened: [Opened] = []
    /// Sessions that ended or moved.
    var closed: [UInt32] = []

    init(loop: Int, number: UInt64) {
        self.loop = loop
        self.number = number
    }

    func encode(into writer: inout FieldWriter) {
        writer.write(1, loop)
        writer.write(2, number)
        if groups.readableBytes > 0 { writer.write(3, groups) }
        for session in opened {
            writer.write(4) {
                $0.write(1, UInt64(session.number))
                $0.write(2, session.record)
            }
        }
        for number in closed { writer.write(5, UInt64(number)) }
    }

    init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        self.init(loop: 0, number: 0)
        while let field = try reader.next() {
            switch field.number {
            case 1: loop = try field.int()
            case 2: number = try field.uint64()
            case 3: groups = try field.bytes()
            case 4: opened.append(try JournalTick.opened(field.message()))
            case 5: closed.append(try JournalTick.sessionNumber(field, 5))
            default: break
            }
        }
    }

    private static func sessionNumber(_ field: FieldReader.Field, _ number: Int) throws(FieldError) -> UInt32 {
        guard let value = UInt32(exactly: try field.uint64()) else { throw .invalidField(number) }
        return value
    }

    private static func opened(_ reader: FieldReader) throws(FieldError) -> Opened {
        var reader = reader
        var number: UInt32?
        var record: SessionRecord?
        while let field = try reader.next() {
            switch field.number {
            case 1: number = try sessionNumber(field, 1)
            case 2: record = try field.message()
            default: break
            }
        }
        return Opened(number: try number.required(1), record: try record.required(2))
    }
}

/// The buddy has all up to this tick of the loop.
struct JournalReply: Hashable, Sendable, FieldCodable {
    var loop: Int
    var number: UInt64

    init(loop: Int, number: UInt64) {
        self.loop = loop
        self.number = number
    }

    func encode(into writer: inout FieldWriter) {
        writer.write(1, loop)
        writer.write(2, number)
    }

    init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        self.init(loop: 0, number: 0)
        while let field = try reader.next() {
            switch field.number {
            case 1: loop = try field.int()
            case 2: number = try field.uint64()
            default: break
            }
        }
    }
}
