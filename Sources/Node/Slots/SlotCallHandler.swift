import NIOCore
import Tracing
import Transport
import Wire

/// Serves `slot` calls: a ``SlotCall`` in, a ``SlotReply`` out.
struct SlotCallHandler: CallHandler {
    let node: @Sendable () -> SlotNode?

    func handle(_ call: InboundCall) async throws(CallFailure) -> ByteBuffer {
        let request: SlotCall
        do {
            request = try SlotCall(decoding: call.body)
        } catch {
            return SlotReply.refused("the call cannot be decoded: \(error)").encoded()
        }
        guard let node = node() else { return SlotReply.unavailable("the guild role is starting").encoded() }
        return await withSpan(request.kind.spanName, ofKind: .server) { span in
            let reply = await node.perform(request, deadline: call.deadline)
            if case .done = reply {} else { span.setStatus(SpanStatus(code: .error)) }
            return reply.encoded()
        }
    }
}

extension SlotCall.Kind {
    fileprivate var spanName: String {
        switch self {
        case .rest: "slot rest"
        case .authenticate: "slot authenticate"
        case .outbox: "slot outbox"
        case .ping: "slot ping"
        case .profile: "slot profile"
        }
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
