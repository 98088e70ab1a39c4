import NIOCore
import Tracing
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
        let span = startSpan(request.kind.spanName, context: call.context, ofKind: .server)
        node.perform(request, deadline: call.deadline) { answer in
            if case .done = answer {} else { span.setStatus(SpanStatus(code: .error)) }
            span.end()
            reply(.success(answer.encoded()))
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
        case .restore: "slot restore"
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
