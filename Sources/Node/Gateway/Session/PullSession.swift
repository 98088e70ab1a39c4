import Identity
import NIOCore
import Wire

/// `pullSession`'s request: the owner gives the session up only to who shows its token.
struct PullSessionRequest: Hashable, Sendable, FieldCodable {
    /// What is asked for.
    enum Kind: UInt64, Sendable {
        /// The session, if it lives there; else what the journal has of it is offered.
        case session = 0
        /// The session as rebuilt from the journal, which then forgets it.
        case journaled = 1
        /// Nothing: the session lives elsewhere by now, and journals that still have it forget it.
        case forget = 2
    }

    var id: SessionID
    var token: Token
    /// The gateway that asks; the owner remembers where the session went.
    var taker: NodeID
    /// The last sequence number that the client has.
    var sequence: Int
    var kind: Kind

    init(id: SessionID, token: Token, taker: NodeID, sequence: Int, kind: Kind = .session) {
        self.id = id
        self.token = token
        self.taker = taker
        self.sequence = sequence
        self.kind = kind
    }

    func encode(into writer: inout FieldWriter) {
        writer.write(1, id.description)
        writer.write(2, token.userID)
        writer.write(3, fixed: token.tokenID)
        writer.write(4, taker.rawValue)
        writer.write(5, sequence)
        if kind != .session { writer.write(6, kind.rawValue) }
    }

    init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var id: SessionID?
        var userID: UserID?
        var tokenID: UInt64?
        var taker: NodeID?
        var sequence = 0
        var kind: Kind? = .session
        while let field = try reader.next() {
            switch field.number {
            case 1: id = SessionID(try field.string())
            case 2: userID = try field.id()
            case 3: tokenID = try field.fixed()
            case 4: taker = NodeID(rawValue: try field.string())
            case 5: sequence = try field.int()
            case 6: kind = Kind(rawValue: try field.uint64())
            default: break
            }
        }
        self.id = try id.required(1)
        token = Token(userID: try userID.required(2), tokenID: try tokenID.required(3))
        self.taker = try taker.required(4)
        self.sequence = sequence
        self.kind = try kind.required(6)
    }
}

/// `pullSession`'s answer.
enum PullSessionReply: Sendable, FieldCodable {
    case session(SessionRecord)
    /// It went there: ask again.
    case moved(NodeID)
    case unknown
    /// It does not live here, and the journal here can rebuild it as of the client's last sequence number.
    case journaled(generation: Int)
    /// The journal here has it, and the gateway that it lives at is still connected: ask again in a moment.
    case guarded

    func encode(into writer: inout FieldWriter) {
        switch self {
        case .session(let record): writer.write(1, record)
        case .moved(let node): writer.write(2, node.rawValue)
        case .unknown: writer.write(3, true)
        case .journaled(let generation): writer.write(4, generation)
        case .guarded: writer.write(5, true)
        }
    }

    init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var reply: PullSessionReply?
        while let field = try reader.next() {
            switch field.number {
            case 1: reply = .session(try field.message())
            case 2:
                guard let node = NodeID(rawValue: try field.string()) else { throw .invalidField(2) }
                reply = .moved(node)
            case 3: reply = .unknown
            case 4: reply = .journaled(generation: try field.int())
            case 5: reply = .guarded
            default: break
            }
        }
        self = try reply.required(3)
    }
}
