import Identity
import NIOCore
import Wire

/// What a command leads to.
public enum Outcome {
    /// The answer, sent when all that the command read and wrote is committed.
    case reply(RestReply)
    /// An answer to a change, with the read operation that gives the same answer again: the slot remembers this
    /// reference for the request's id instead of the whole body.
    case replyOnce(RestReply, again: ReplyReference)
    /// A read of committed rows that runs off the executor, on a snapshot that holds all committed before it.
    case read(@Sendable (any CommittedReader) throws -> RestReply)
    /// Heavy computing (password hashing) off the executor, then a second command with its result. Nothing may have
    /// been written before.
    case offload(
        @Sendable () throws -> ByteBuffer,
        then: @Sendable (ByteBuffer, any SlotTransaction) throws -> Outcome)
    /// The answer depends on another slot (a name's claim): the runtime runs `retry` again after each commit on the
    /// slot until it gives another outcome, or the call's deadline passes.
    ///
    /// `resuming` is kept with the request's id if the command has written: when a retry of the request comes after the
    /// wait has ended without an answer (a restart, a deadline), the operation's handler runs again with these added to
    /// its parameters, and finds there what the first attempt wrote. Without it such a retry is refused.
    case wait(retry: @Sendable (any SlotTransaction) throws -> Outcome, resuming: [String: String]? = nil)
}

/// A read operation that gives an answer again.
public struct ReplyReference: Hashable, Sendable {
    public var status: Int
    public var operation: String
    public var parameters: [String: String]

    public init(status: Int, operation: String, parameters: [String: String]) {
        self.status = status
        self.operation = operation
        self.parameters = parameters
    }
}

/// Serves one REST operation at the slot that owns the entity. Throws ``APIError`` for what the client did wrong;
/// any other error is a fault of the store.
public typealias OperationHandler = @Sendable (RestRequest, any SlotTransaction) throws -> Outcome

/// A group of operations and duties that a slot carries out.
public protocol SlotService: Sendable {
    /// Handlers by operationId.
    static var operations: [String: OperationHandler] { get }
    /// Applies an effect from another slot. `false` when the effect is not this service's. It must not fail: an effect
    /// on something that no longer exists is dropped.
    static func apply(_ effect: Effect, in transaction: any SlotTransaction) throws -> Bool
    /// Runs a step of scheduled work. `false` when it is not this service's.
    static func perform(_ work: Work, in transaction: any SlotTransaction) throws -> Bool
    /// The snapshot of a root entity for a gateway (``GuildSnapshot`` or ``UserSnapshot``, encoded): `nil` when the
    /// entity does not exist or the user is not part of it, or it is not this service's.
    static func snapshot(of root: RootEntity, for user: UserID, in transaction: any SlotTransaction) throws
        -> ByteBuffer?
}
