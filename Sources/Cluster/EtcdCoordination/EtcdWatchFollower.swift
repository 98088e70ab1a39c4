import AsyncHTTPClient
import Coordination
import NIOCore
import Synchronization

/// Follows etcd's history from one member to the next.
///
/// The gateway passes on no wish for a leader, so a member that lost its leader would keep a watch open in silence, and
/// a machine that vanished says nothing either. Whenever a watch was quiet for ``EtcdSettings/quietInterval``, its own
/// member is asked for a linearizable read, which only one that takes part in the cluster can answer.
struct EtcdWatchFollower: Sendable {
    /// How following at one member ended.
    private enum Ending: Sendable {
        /// To be gone on with at another member.
        case broken
        /// The member may not know the token.
        case forbidden(String)
        /// For good; `nil` when the coordinator was closed.
        case over(CoordinatorFailure?)
    }

    /// When something was last heard of the member.
    private final class Heard: Sendable {
        private let nanoseconds = Atomic<UInt64>(NIODeadline.now().uptimeNanoseconds)

        func now() { nanoseconds.store(NIODeadline.now().uptimeNanoseconds, ordering: .relaxed) }
        var last: NIODeadline { .uptimeNanoseconds(nanoseconds.load(ordering: .relaxed)) }
    }

    private let client: EtcdClient
    private let prefix: String
    private let revision: UInt64
    private let outlet: WatchOutlet

    init(client: EtcdClient, prefix: String, after revision: UInt64, outlet: WatchOutlet) {
        self.client = client
        self.prefix = prefix
        self.revision = revision
        self.outlet = outlet
    }

    /// Puts the changes into the outlet until the task is cancelled or no member can give more.
    func run() async {
        var state = EtcdWatchState(after: revision, codec: client.codec)
        let start = Backoff(initial: client.settings.firstPause, maximum: client.settings.longestPause)
        var backoff = start
        var refused: String?
        while !Task.isCancelled {
            let (endpoint, before) = (client.endpoint, state.revision)
            let ending: Ending
            do throws(EtcdTransport.Failure) {
                let token = try await client.token(otherThan: refused)
                ending = await follow(&state, at: endpoint, token: token)
                if case .forbidden(let reason) = ending {
                    // A watch is told so also when only its token has expired: once more, with a new one.
                    guard let token, refused == nil else {
                        return outlet.finish(.failure(client.forbidden(reason)))
                    }
                    refused = token
                    continue
                }
            } catch { ending = EtcdWatchFollower.ending(after: error) }
            if case .over(let failure) = ending {
                return outlet.finish(failure.map { .failure($0) } ?? .success(()))
            }
            refused = nil
            if state.revision > before { backoff = start }
            client.leave(endpoint)
            guard await backoff.pause() else { break }
        }
        outlet.finish(.success(()))
    }

    private func follow(_ state: inout EtcdWatchState, at endpoint: EtcdEndpoint, token: String?) async -> Ending {
        let heard = Heard()
        return await withTaskGroup(of: (EtcdWatchState?, Ending).self) { [copy = state] group in
            group.addTask { await read(copy, at: endpoint, token: token, heard) }
            group.addTask { (nil, await stayInTouch(with: endpoint, heard)) }
            var first: Ending?
            // The reader is always waited for: what it has given out must be known.
            for await (left, ending) in group {
                group.cancelAll()
                if let left { state = left }
                first = first ?? ending
            }
            return first ?? .broken
        }
    }

    // MARK: Reading

    private func read(
        _ beginning: EtcdWatchState, at endpoint: EtcdEndpoint, token: String?, _ heard: Heard
    ) async -> (EtcdWatchState?, Ending) {
        var state = beginning
        var ending = Ending.broken
        let request = client.codec.watch(prefix: prefix, from: state.begin())
        do {
            try await client.stream(
                "watch", request, token: token, at: endpoint,
                deadline: .now() + client.settings.attemptTimeout.timeAmount
            ) { body in
                var splitter = MessageSplitter()
                for try await bytes in body {
                    heard.now()
                    splitter.append(bytes)
                    while let message = try splitter.next() {
                        guard let end = try await take(message, &state) else { continue }
                        ending = end
                        return
                    }
                }
            }
        } catch { ending = EtcdWatchFollower.ending(after: EtcdTransport.failure(error)) }
        return (state, ending)
    }

    /// - Returns: how the stream ends with this message; `nil` when it goes on.
    private func take(_ message: ByteBuffer, _ state: inout EtcdWatchState) async throws -> Ending? {
        let answer = try EtcdCodec.decodeStreamed(EtcdAnswer.Watch.self, message).get()
        // What cannot be put any more must not count as given out.
        let before = state
        switch try state.take(answer) {
        case .changes(let changes):
            guard await outlet.put(changes) else {
                state = before
                return .broken
            }
            return nil
        case .isBehind:
            let bytes: ByteBuffer
            do throws(CoordinatorFailure) {
                bytes = try await client.call("kv/range", client.codec.probe(), repetition: .allowed)
            } catch { return .broken }
            let reached = try EtcdClient.decode(EtcdAnswer.Range.self, bytes).header.revision?.unsigned ?? 0
            return reached < state.revision ? .over(.compacted) : nil
        case .compacted: return .over(.compacted)
        case .canceled(let reason):
            return reason.contains("permission denied") || reason.contains("PermissionDenied")
                ? .forbidden(reason) : .broken
        }
    }

    private static func ending(after failure: EtcdTransport.Failure) -> Ending {
        switch failure {
        case .cancelled: return .over(nil)
        case .unreachable, .lost, .tooLong: return .broken
        case .refused(let refusal):
            switch refusal.meaning {
            case .failure(.unavailable): return .broken
            case .failure(let failure): return .over(failure)
            case .forbidden, .unauthenticated: return .forbidden(refusal.message)
            case .didNotRun, .unknown: return .broken
            }
        }
    }

    // MARK: Signs of life

    private func stayInTouch(with endpoint: EtcdEndpoint, _ heard: Heard) async -> Ending {
        let patience = client.settings.quietInterval.timeAmount
        while !Task.isCancelled {
            let quietAt = heard.last + patience
            let now = NIODeadline.now()
            if now < quietAt {
                try? await Task.sleep(for: .nanoseconds((quietAt - now).nanoseconds))
                continue
            }
            do throws(EtcdTransport.Failure) {
                _ = try await client.attempt(
                    "kv/range", client.codec.probe(), at: endpoint,
                    deadline: now + client.settings.attemptTimeout.timeAmount)
            } catch {
                // A member that refuses for another reason than its own state is there.
                guard case .refused(let refusal) = error, refusal.meaning != .unknown else { return .broken }
            }
            heard.now()
        }
        return .broken
    }
}
