import Identity
import NIOCore
import Transport
import Wire

/// A loop as the rest of the gateway sees it; callable from any thread.
protocol LoopPost: AnyObject, Sendable {
    func post(_ message: LoopMessage)
    /// About how many bytes wait to be looked at.
    var backlog: Int { get }
}

/// What a loop holds.
struct LoopCount: Sendable {
    var connections = 0
    var sessions = 0
    /// Of them, those that a buddy has.
    var journaled = 0
}

/// What reaches a loop from outside its thread.
enum LoopMessage: Sendable {
    case host([HostMessage])
    /// A client's socket, with what was read from it already and who passed it.
    case adopt(descriptor: Int32, received: ByteBuffer, peer: String)
    /// What became of an IDENTIFY's token; `nil` when the user's slot could not be asked.
    case authenticated(connection: UInt64, AuthenticateReply?)
    /// A session that a RESUME asked for; `nil` when it is nowhere.
    case resumed(connection: UInt64, SessionRecord?)
    case export(SessionID, Token, reply: @Sendable (SessionRecord?) -> Void)
    /// Give up to so many sessions up to peers: their clients are told to reconnect.
    case handOver(limit: Int, reply: @Sendable ([SessionRecord]) -> Void)
    /// A peer hands this session over, or nobody took it.
    case take(SessionRecord, reply: @Sendable (Bool) -> Void)
    /// Whether new clients are taken.
    case admit(Bool)
    /// A buddy for the loop's journal, or none.
    case journal((any TransportStream)?)
    /// The buddy was lost, or has lost this gateway: it may have given sessions to others.
    case journalLost
    /// The buddy has the loop's journal up to this tick.
    case journaled(tick: UInt64)
    /// Dispatches of a type, for one session: the answer to op 8.
    case dispatches(session: SessionID, type: String, payloads: [ByteBuffer])
    /// Close the listeners.
    case stopAccepting
    /// Tell every client to come back elsewhere.
    case drain
    /// Close everything and end the thread.
    case stop
    case count(@Sendable (LoopCount) -> Void)

    /// About how many bytes it holds.
    var weight: Int {
        switch self {
        case .host(let messages): messages.reduce(64) { $0 + $1.weight }
        case .dispatches(_, _, let payloads): payloads.reduce(64) { $0 + $1.readableBytes }
        default: 64
        }
    }
}
