import NIOCore
import ServiceContextModule
import Synchronization
import Wire

/// Follows one call of ours over the threads: where it runs, and whether the caller gave it up.
final class CallToken: Sendable {
    /// The connection that carries the call, and the call's id there; 0 while it is not sent.
    let connection = Atomic<UInt64>(0)
    let id = Atomic<UInt64>(0)
    let isCancelled = Atomic<Bool>(false)
}

struct OutboundCall: Sendable {
    var method: CallMethod
    var body: ByteBuffer
    var deadline: NIODeadline
    var trace: [String: String]
    var token: CallToken
    var metrics: TransportMetrics
    /// Called once, on an event loop; it must not block.
    var completion: @Sendable (Result<ByteBuffer, CallFailure>) -> Void

    /// Ends the call; once.
    func complete(_ result: Result<ByteBuffer, CallFailure>) {
        metrics.ended(method, result)
        completion(result)
    }
}

struct OutboundStream: Sendable {
    var method: CallMethod
    var body: ByteBuffer
    var trace: [String: String]
    var receiver: any StreamReceiver
    /// Called once, on an event loop; it must not block.
    var completion: @Sendable (Result<any TransportStream, CallFailure>) -> Void
}

/// What other threads ask of a connection.
enum ConnectionCommand: Sendable {
    case reply(UInt64, Result<ByteBuffer, CallFailure>)
    case item(UInt64, ByteBuffer)
    case grant(UInt64, Int)
    case closeStream(UInt64, String)
    case drain(String)
}
