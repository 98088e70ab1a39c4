import NIOCore
import Transport
import Wire

/// Serves `slot` calls: a ``SlotCall`` in, a ``SlotReply`` out.
struct SlotCallHandler: DirectCallHandler {
    let node: @Sendable () -> SlotNode?

    func handle(_ call: InboundCall, reply: @escaping @Sendable (Result<ByteBuffer, CallFailure>) -> Void) {
        let request: SlotCall
        do {
            request = try SlotCall(decoding: call.body)
        } catch {
            return reply(.success(SlotReply.refused("the call cannot be decoded: \(error)").encoded()))
        }
        guard let node = node() else {
            return reply(.success(SlotReply.unavailable("the guild role is starting").encoded()))
        }
        node.perform(request, deadline: call.deadline) { reply(.success($0.encoded())) }
    }
}

/// Serves `status` calls: anything in, a ``NodeStatus`` out.
struct StatusHandler: CallHandler {
    let node: @Sendable () -> SlotNode?

    func handle(_ call: InboundCall) async throws(CallFailure) -> ByteBuffer {
        guard let node = node() else { throw .refused("the guild role is starting") }
        return await node.status().encoded()
    }
}
