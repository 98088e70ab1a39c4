import Coordination
import NIOCore
import Synchronization
import Transport
import Wire

/// Serves a coordinator to other processes: its calls under ``CallMethod/coordinator``, its watches as streams under
/// ``CallMethod/coordinatorWatch``. Register it for both.
public struct CoordinatorService: CallHandler, StreamAcceptor {
    /// How long a watcher may leave its stream's queue full before it is closed; it comes back where it was.
    static let longestStall: Duration = .seconds(10)
    private static let stallStep: Duration = .milliseconds(10)

    private let coordinator: any Coordinator

    public init(_ coordinator: any Coordinator) { self.coordinator = coordinator }

    public func handle(_ call: InboundCall) async throws(CallFailure) -> ByteBuffer {
        let request: CoordinatorRequest
        do { request = try CoordinatorRequest(decoding: call.body) } catch {
            throw .refused("a request to the coordinator cannot be read: \(error)")
        }
        do throws(CoordinatorFailure) { return try await answer(request).encoded() } catch {
            return CoordinatorReply.failed(error).encoded()
        }
    }

    private func answer(_ request: CoordinatorRequest) async throws(CoordinatorFailure) -> CoordinatorReply {
        switch request {
        case .get(let key): return .entry(try await coordinator.get(key))
        case .list(let prefix): return .listing(try await coordinator.list(prefix: prefix))
        case .commit(let transaction): return .committed(try await coordinator.commit(transaction))
        case .grantLease(let duration): return .lease(try await coordinator.grantLease(duration))
        case .keepAlive(let lease):
            try await coordinator.keepAlive(CoordinatorLease(id: lease, duration: .zero))
            return .done
        case .revoke(let lease):
            try await coordinator.revoke(CoordinatorLease(id: lease, duration: .zero))
            return .done
        }
    }

    public func accept(
        _ stream: any TransportStream, body: ByteBuffer
    ) throws(CallFailure) -> any StreamReceiver {
        let request: CoordinatorWatchRequest
        do { request = try CoordinatorWatchRequest(decoding: body) } catch {
            throw .refused("a watch request cannot be read: \(error)")
        }
        let task = Task { [coordinator] in
            let reason: String
            do {
                for try await change in coordinator.watch(prefix: request.prefix, after: request.after) {
                    guard await CoordinatorService.send(.change(change), on: stream) else {
                        return stream.close("the watcher is too slow")
                    }
                }
                reason = "the watch has ended"
            } catch let failure as CoordinatorFailure {
                _ = await CoordinatorService.send(.failed(failure), on: stream)
                reason = "the watch has failed"
            } catch {
                reason = "the watch has failed: \(error)"
            }
            stream.close(reason)
        }
        return WatcherReceiver(task: task)
    }

    /// The history lies in the coordinator, so waiting for room costs no memory.
    private static func send(_ item: CoordinatorWatchItem, on stream: any TransportStream) async -> Bool {
        let bytes = item.encoded()
        var waited = Duration.zero
        while !stream.send(bytes) {
            guard waited < longestStall else { return false }
            do { try await Task.sleep(for: stallStep) } catch { return false }
            waited += stallStep
        }
        return true
    }
}

/// The serving side of a watch: the watcher sends nothing; when its stream ends, so does the watch.
private struct WatcherReceiver: StreamReceiver {
    let task: Task<Void, Never>

    func received(_ item: ByteBuffer, on stream: any TransportStream) { stream.consumed(1) }
    func closed(_ reason: String, on stream: any TransportStream) { task.cancel() }
}
