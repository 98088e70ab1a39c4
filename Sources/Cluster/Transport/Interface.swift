import Identity
import NIOCore
import ServiceContextModule
import Wire

/// Connections of one pair of nodes, kept apart so that bulk data never delays a heartbeat (DESIGN §8).
public enum Lane: UInt8, Sendable, CaseIterable {
    case control = 0
    case replication = 1
    case request = 2
    case event = 3
    case bulk = 4
}

/// What a call or stream is for; the numbers are listed in PROTOCOL.md.
public struct CallMethod: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// ``SlotCall`` → ``SlotReply``, on the request lane.
    public static let slot = CallMethod(rawValue: 1)
    /// Calls to the coordinator that a router serves, on the control lane.
    public static let coordinator = CallMethod(rawValue: 2)
    /// A stream of the coordinator's watch events, on the control lane.
    public static let coordinatorWatch = CallMethod(rawValue: 3)
    /// A stream of ``EventStreamRequest`` and ``EventStreamItem``, on the event lane.
    public static let events = CallMethod(rawValue: 4)
    /// A gateway takes over another's session, on the request lane.
    public static let pullSession = CallMethod(rawValue: 5)
    /// A process's status for operators, on the control lane.
    public static let status = CallMethod(rawValue: 6)
    /// A stream of what a guild node has to say to another of their slots' logs: batches of messages, one way; on the
    /// replication lane, and one for beacons alone on the control lane.
    public static let replication = CallMethod(rawValue: 7)
    /// A stream on which a slot's primary sends a snapshot of it to a learner, on the bulk lane.
    public static let snapshot = CallMethod(rawValue: 8)
    /// ``BackupCall`` → ``BackupReply``, on the bulk lane.
    public static let backup = CallMethod(rawValue: 26)
    /// A draining gateway gives a session to a peer, on the request lane.
    public static let pushSession = CallMethod(rawValue: 20)
    /// A stream on which a gateway journals its sessions to its buddy, on the event lane.
    public static let journal = CallMethod(rawValue: 21)

    /// The numbers of the first version; all others came with the second.
    private static let ofFirstVersion: ClosedRange<UInt16> = 1...6

    /// The lowest version of the protocol that has the method: between peers that speak less it is an unknown one.
    public var lowestVersion: UInt64 {
        CallMethod.ofFirstVersion.contains(rawValue) ? ProtocolVersion.oldest : ProtocolVersion.replication
    }

    /// ``VerificationRequest`` → ``VerificationReply``, on the bulk lane.
    public static let verify = CallMethod(rawValue: 27)

    /// What a guild node's disk knows of the slots, on the bulk lane.
    public static let inventory = CallMethod(rawValue: 28)

    public var description: String { String(rawValue) }
}

/// Where a node listens for other nodes.
public struct NodeAddress: Hashable, Sendable {
    public var node: NodeID
    public var host: String
    public var port: Int

    public init(node: NodeID, host: String, port: Int) {
        self.node = node
        self.host = host
        self.port = port
    }
}

/// Why a call gave no answer.
public enum CallFailure: Error, Hashable, Sendable {
    /// The request was certainly not executed: there was no connection.
    case unreachable(String)
    /// The connection broke after the request was sent; whether it was executed is unknown.
    case connectionLost
    /// The deadline passed; whether the request was executed is unknown.
    case deadlineExceeded
    case cancelled
    /// A bounded queue was full, here or there; the request was not executed.
    case overloaded
    /// The other side does not know the method.
    case unknownMethod
    /// The other side's handler refused the request, and says why.
    case refused(String)
}

/// A call that came in.
public struct InboundCall: Sendable {
    public var method: CallMethod
    public var body: ByteBuffer
    /// The caller, as named in the handshake (and in its certificate, under mutual TLS).
    public var peer: NodeID
    public var deadline: NIODeadline
    /// The trace that the call belongs to.
    public var context: ServiceContext

    public init(
        method: CallMethod, body: ByteBuffer, peer: NodeID, deadline: NIODeadline, context: ServiceContext = .topLevel
    ) {
        self.method = method
        self.body = body
        self.peer = peer
        self.deadline = deadline
        self.context = context
    }
}

/// Serves calls of one method. The task is cancelled when the caller cancels, disconnects, or the deadline passes.
public protocol CallHandler: Sendable {
    func handle(_ call: InboundCall) async throws(CallFailure) -> ByteBuffer
}

/// Serves calls of one method without a task for each: for calls so short that a task and its way over threads would
/// be most of their cost. A caller that cancels or disconnects is not told of; its reply is dropped.
public protocol DirectCallHandler: CallHandler {
    /// Called on the connection's event loop; it must not block.
    ///
    /// - Parameter reply: to be called once, from any thread.
    func handle(_ call: InboundCall, reply: @escaping @Sendable (Result<ByteBuffer, CallFailure>) -> Void)
}

extension DirectCallHandler {
    public func handle(_ call: InboundCall) async throws(CallFailure) -> ByteBuffer {
        let result = await withCheckedContinuation { continuation in
            handle(call) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }
}

/// Makes calls and opens streams to other nodes, over connections that it keeps.
public protocol CallClient: Sendable {
    func call(
        _ method: CallMethod, body: ByteBuffer, to address: NodeAddress, lane: Lane, deadline: NIODeadline
    ) async throws(CallFailure) -> ByteBuffer

    /// - Parameter receiver: called on the connection's event loop, in order; it must not block.
    func openStream(
        _ method: CallMethod, body: ByteBuffer, to address: NodeAddress, lane: Lane, receiver: any StreamReceiver
    ) async throws(CallFailure) -> any TransportStream
}

/// One side of an ordered, credit-controlled stream of items in both directions.
public protocol TransportStream: AnyObject, Sendable {
    /// The other side.
    var peer: NodeID { get }
    /// Queues an item. `false` when the bounded queue is full (the other side grants no credit fast enough) or the
    /// stream is closed: the item was not queued, and the caller sheds this consumer. Callable from any thread; items
    /// of one thread keep their order.
    func send(_ item: ByteBuffer) -> Bool
    /// Says that `items` received items are processed, so that the other side may send as many more.
    func consumed(_ items: Int)
    func close(_ reason: String)
}

/// Receives a stream's items.
public protocol StreamReceiver: Sendable {
    func received(_ item: ByteBuffer, on stream: any TransportStream)
    /// Called once, after the last item.
    func closed(_ reason: String, on stream: any TransportStream)
}

/// Accepts streams of one method that other nodes open.
public protocol StreamAcceptor: Sendable {
    /// - Returns: the receiver of the stream's items; it may send on `stream` at once.
    func accept(_ stream: any TransportStream, body: ByteBuffer) throws(CallFailure) -> any StreamReceiver
}
