import Coordination
import Identity
import NIOCore
import Placement
import Transport
import Wire

/// Calls the primary of a slot over the transport, by this process's view of the cluster.
public struct RemoteSlotCaller: SlotCaller {
    public struct Settings: Sendable {
        /// How long the first attempt at one node may take before the call is tried again; it doubles each time.
        public var attemptTimeout: Duration = .seconds(1)
        public var firstPause: Duration = .milliseconds(10)
        public var longestPause: Duration = .milliseconds(250)

        public init() {}
    }

    private let view: any ClusterView
    private let client: any CallClient
    private let settings: Settings
    private let localNode: NodeID?
    private let localHandler: (any CallHandler)?

    /// - Parameters:
    ///   - localNode: a guild node's own id, whose slots are called through `localHandler`, without a socket.
    public init(
        view: any ClusterView, client: any CallClient, localNode: NodeID? = nil,
        localHandler: (any CallHandler)? = nil, settings: Settings = Settings()
    ) {
        self.view = view
        self.client = client
        self.localNode = localNode
        self.localHandler = localHandler
        self.settings = settings
    }

    public func call(
        _ slot: Slot, kind: SlotCall.Kind, body: ByteBuffer, requestID: RequestID?, deadline: NIODeadline
    ) async throws(SlotCallFailure) -> ByteBuffer {
        var retry = SlotCallRetry(settings: settings)
        var isFirst = true
        while true {
            let row = view.row(slot)
            let outcome: SlotCallRetry.Outcome
            if let row {
                let limit = min(deadline, .now() + retry.attemptTimeout.timeAmount)
                let call = SlotCall(slot: slot, epoch: row.epoch, requestID: requestID, kind: kind, body: body)
                // Most calls have one attempt: it is not worth a second task.
                outcome =
                    isFirst
                    ? await attempt(call, at: row.primary, deadline: limit)
                    : await attemptWhilePrimary(call, row, deadline: limit)
                isFirst = false
            } else {
                outcome = .failed(.unreachable("the shard map has no row of slot \(slot) yet"))
            }
            switch retry.next(after: outcome, rowEpoch: row?.epoch ?? .zero) {
            case .done(let body): return body
            case .fail(let failure): throw failure
            case .cancelled: throw retry.failure("the caller cancelled the call")
            case .wait(let pause, let epoch, let reason):
                let until = NIODeadline.now() + pause.timeAmount
                guard until < deadline else { throw retry.failure(reason) }
                await view.waitForRow(slot, atLeast: epoch, deadline: until)
                if Task.isCancelled { throw retry.failure("the caller cancelled the call") }
            }
        }
    }

    /// An attempt that ends when the slot gets another primary: the one before may hang, and never answer.
    private func attemptWhilePrimary(
        _ call: SlotCall, _ row: ShardMapRow, deadline: NIODeadline
    ) async -> SlotCallRetry.Outcome {
        await withTaskGroup(of: SlotCallRetry.Outcome?.self) { tasks in
            tasks.addTask { await attempt(call, at: row.primary, deadline: deadline) }
            tasks.addTask { [view] in
                var epoch = row.epoch
                while !Task.isCancelled, NIODeadline.now() < deadline {
                    await view.waitForRow(call.slot, atLeast: epoch.next, deadline: deadline)
                    guard let current = view.row(call.slot) else { return nil }
                    if current.primary != row.primary { return .failed(.connectionLost) }
                    epoch = max(epoch, current.epoch)
                }
                return nil
            }
            for await outcome in tasks {
                guard let outcome else { continue }
                tasks.cancelAll()
                return outcome
            }
            return .failed(.deadlineExceeded)
        }
    }

    private func attempt(_ call: SlotCall, at node: NodeID, deadline: NIODeadline) async -> SlotCallRetry.Outcome {
        do throws(CallFailure) {
            let answer: ByteBuffer
            if node == localNode, let localHandler {
                answer = try await localHandler.handle(
                    InboundCall(method: .slot, body: call.encoded(), peer: node, deadline: deadline))
            } else {
                guard let record = view.node(node) else { throw .unreachable("node \(node) is not in the cluster") }
                let address = NodeAddress(node: node, host: record.host, port: record.port)
                answer = try await client.call(
                    .slot, body: call.encoded(), to: address, lane: .request, deadline: deadline)
            }
            do throws(FieldError) { return .answered(try SlotReply(decoding: answer)) } catch {
                return .failed(.refused("node \(node) gave an answer that cannot be read: \(error)"))
            }
        } catch {
            return .failed(error)
        }
    }
}
