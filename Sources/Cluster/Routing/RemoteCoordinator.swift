import Coordination
import Identity
import NIOCore
import Synchronization
import Transport
import Wire

/// A coordinator that another process serves (see ``CoordinatorService``).
///
/// Reads, and changes that may be repeated, are tried until ``Settings/timeout``, at each address in turn; a commit only
/// as long as it certainly did not run. Watches come back by themselves after a loss of connection, without a gap and
/// without repetition.
public final class RemoteCoordinator: Coordinator {
    public struct Settings: Sendable {
        /// For one operation, all attempts together.
        public var timeout: Duration = .seconds(5)
        /// For one attempt.
        public var attemptTimeout: Duration = .seconds(2)
        public var firstPause: Duration = .milliseconds(20)
        public var longestPause: Duration = .milliseconds(500)

        public init() {}
    }

    private let client: any CallClient
    private let addresses: [NodeAddress]
    let settings: Settings
    /// The address that answered last.
    private let preferred = Atomic<Int>(0)

    /// - Parameter addresses: of the routers that serve the coordinator; at least one.
    public init(client: any CallClient, addresses: [NodeAddress], settings: Settings = Settings()) {
        precondition(!addresses.isEmpty, "a coordinator has an address")
        self.client = client
        self.addresses = addresses
        self.settings = settings
    }

    // MARK: Coordinator

    public func get(_ key: String) async throws(CoordinatorFailure) -> CoordinatorEntry? {
        guard case .entry(let entry) = try await ask(.get(key), mayRepeat: true) else { throw Self.mismatch }
        return entry
    }

    public func list(prefix: String) async throws(CoordinatorFailure) -> CoordinatorListing {
        guard case .listing(let listing) = try await ask(.list(prefix: prefix), mayRepeat: true) else {
            throw Self.mismatch
        }
        return listing
    }

    public func commit(_ transaction: CoordinatorTransaction) async throws(CoordinatorFailure) -> UInt64? {
        try transaction.validate()
        guard case .committed(let revision) = try await ask(.commit(transaction), mayRepeat: false) else {
            throw Self.mismatch
        }
        return revision
    }

    /// A repetition may leave a lease behind that nobody keeps alive; it ends by itself.
    public func grantLease(_ duration: Duration) async throws(CoordinatorFailure) -> CoordinatorLease {
        guard case .lease(let lease) = try await ask(.grantLease(duration), mayRepeat: true) else {
            throw Self.mismatch
        }
        return lease
    }

    public func keepAlive(_ lease: CoordinatorLease) async throws(CoordinatorFailure) {
        guard case .done = try await ask(.keepAlive(lease: lease.id), mayRepeat: true) else { throw Self.mismatch }
    }

    public func revoke(_ lease: CoordinatorLease) async throws(CoordinatorFailure) {
        guard case .done = try await ask(.revoke(lease: lease.id), mayRepeat: true) else { throw Self.mismatch }
    }

    public func watch(
        prefix: String, after revision: UInt64
    ) -> AsyncThrowingStream<CoordinatorChange, any Error> {
        let watch = RemoteWatch(prefix: prefix, after: revision, coordinator: self)
        return AsyncThrowingStream { try await watch.next() }
    }

    // MARK: Calls

    private static let mismatch = CoordinatorFailure.unavailable("the coordinator's answer is of another kind")

    private func ask(
        _ request: CoordinatorRequest, mayRepeat: Bool
    ) async throws(CoordinatorFailure) -> CoordinatorReply {
        let body = request.encoded()
        let deadline = NIODeadline.now() + settings.timeout.timeAmount
        var backoff = Backoff(initial: settings.firstPause, maximum: settings.longestPause)
        while true {
            let last: CallFailure
            switch await attempt(body, deadline: deadline) {
            case .success(.failed(let failure)): throw failure
            case .success(let reply): return reply
            case .failure(let failure): last = failure
            }
            switch last {
            case .refused(let reason): throw .invalid(reason)
            case .cancelled: throw .unavailable("the caller cancelled the call")
            case .connectionLost, .deadlineExceeded:
                guard mayRepeat else { throw .unavailable("\(last); whether it was carried out is unknown") }
            case .unreachable, .overloaded, .unknownMethod: break
            }
            preferNext()
            guard await backoff.pause(until: deadline) else { throw .unavailable("\(last)") }
        }
    }

    private func attempt(_ body: ByteBuffer, deadline: NIODeadline) async -> Result<CoordinatorReply, CallFailure> {
        let answer: ByteBuffer
        do throws(CallFailure) {
            answer = try await client.call(
                .coordinator, body: body, to: address, lane: .control,
                deadline: min(deadline, .now() + settings.attemptTimeout.timeAmount))
        } catch { return .failure(error) }
        do throws(FieldError) { return .success(try CoordinatorReply(decoding: answer)) } catch {
            return .failure(.refused("the coordinator's answer cannot be read: \(error)"))
        }
    }

    private var address: NodeAddress { addresses[preferred.load(ordering: .relaxed) % addresses.count] }
    private func preferNext() { preferred.wrappingAdd(1, ordering: .relaxed) }

    /// Opens a watch's stream at the address that answers.
    func open(_ request: CoordinatorWatchRequest, _ receiver: any StreamReceiver) async throws(CallFailure)
        -> any TransportStream
    {
        do throws(CallFailure) {
            return try await client.openStream(
                .coordinatorWatch, body: request.encoded(), to: address, lane: .control, receiver: receiver)
        } catch {
            preferNext()
            throw error
        }
    }
}
