import Edge
import Identity
import Logging
import NIOCore
import NIOPosix
import Operations
import Placement
import Routing
import ServiceContextModule
import Synchronization
import Wire

/// Stands for the slots: answers calls in process, and remembers what it was asked.
final class FakeSlots: SlotCaller {
    struct Call: Sendable {
        var slot: Slot
        var kind: SlotCall.Kind
        var request: RestRequest?
        var requestID: RequestID?
        var trace: TraceParent?
    }

    typealias Answer = @Sendable (RestRequest, Slot) async throws(SlotCallFailure) -> RestReply

    let calls = Mutex<[Call]>([])
    let revoked = Mutex<Set<UInt64>>([])
    private let authenticating: Gate?
    private let answer: Answer

    /// - Parameter authenticating: what questions about tokens wait for.
    init(authenticating: Gate? = nil, answer: @escaping Answer) {
        self.authenticating = authenticating
        self.answer = answer
    }

    func call(
        _ slot: Slot, kind: SlotCall.Kind, body: ByteBuffer, requestID: RequestID?, deadline: NIODeadline
    ) async throws(SlotCallFailure) -> ByteBuffer {
        switch kind {
        case .authenticate:
            guard let request = try? AuthenticateRequest(decoding: body) else { throw .refused("not a request") }
            calls.withLock { $0.append(Call(slot: slot, kind: kind, requestID: requestID)) }
            await authenticating?.wait()
            guard !revoked.withLock({ $0.contains(request.tokenID) }) else {
                return AuthenticateReply(actor: nil).encoded()
            }
            var profile = profile(request.userID)
            profile.isBot = request.tokenID == RunningEdge.botToken
            return AuthenticateReply(actor: Wire.Actor(profile: profile, tokenID: request.tokenID)).encoded()
        case .profile:
            guard let request = try? AuthenticateRequest(decoding: body) else { throw .refused("not a request") }
            calls.withLock { $0.append(Call(slot: slot, kind: kind, requestID: requestID)) }
            // Users with an odd sequence do not exist.
            return request.userID.snowflake.sequence % 2 == 1 ? ByteBuffer() : profile(request.userID).encoded()
        case .rest:
            guard let request = try? RestRequest(decoding: body) else { throw .refused("not a request") }
            calls.withLock {
                $0.append(
                    Call(
                        slot: slot, kind: kind, request: request, requestID: requestID,
                        trace: ServiceContext.current?.traceParent))
            }
            return try await answer(request, slot).encoded()
        case .outbox, .ping, .restore: throw .refused("not for routers")
        }
    }

    /// The calls of REST operations so far.
    var requests: [Call] { calls.withLock { $0.filter { $0.kind == .rest } } }
    var authentications: Int { calls.withLock { $0.count { $0.kind == .authenticate } } }

    private func profile(_ id: UserID) -> UserProfile {
        UserProfile(id: id, username: "user", isBot: true)
    }
}

/// A view of a cluster that does not change.
struct FakeView: ClusterView {
    var nodes: [NodeRecord]
    var rows: [ShardMapRow]

    /// One guild node that leads all slots, and the gateways given.
    init(gateways: [NodeRecord] = [], rows: [ShardMapRow]? = nil) {
        let guild = NodeID(rawValue: "guild-1")!
        nodes = [NodeRecord(id: guild, roles: [.guild], host: "127.0.0.1", port: 1)] + gateways
        self.rows =
            rows ?? Slot.all.map { ShardMapRow(slot: $0, epoch: Epoch(rawValue: 1), primary: guild, inSync: [guild]) }
    }

    func row(_ slot: Slot) -> ShardMapRow? { rows.first { $0.slot == slot } }
    func node(_ id: NodeID) -> NodeRecord? { nodes.first { $0.id == id } }
    func waitForRow(_ slot: Slot, atLeast epoch: Epoch, deadline: NIODeadline) async {}
    func changes() -> AsyncStream<ClusterChange> { AsyncStream { $0.finish() } }
}

extension EdgeLimits {
    /// The time-outs that a test does not mean are never met, however slow the machine is.
    static var patient: EdgeLimits {
        var limits = EdgeLimits()
        limits.headTimeout = .minutes(10)
        limits.bodyTimeout = .minutes(10)
        limits.idleTimeout = .minutes(10)
        limits.writeTimeout = .minutes(10)
        limits.requestDeadline = .minutes(10)
        return limits
    }
}

/// An edge on a port of the system's choice, for the time of a test.
struct RunningEdge: Sendable {
    static let secret = TokenSecret(bytes: Array(0..<32))
    static let adminToken = "0123456789abcdef0123456789abcdef"
    static let user = UserID(Snowflake(milliseconds: 1, slot: Slot(truncating: 77), sequence: 2))

    let server: EdgeServer
    let slots: FakeSlots
    let clockMoves: ClockMoves
    /// By which the answers about tokens age: it stands still until a test moves it.
    let clock: Clock

    final class ClockMoves: Sendable {
        let offsets = Mutex<[Duration]>([])
    }

    final class Clock: Sendable {
        private let time = Mutex(NIODeadline.uptimeNanoseconds(1))

        var now: NIODeadline { time.withLock { $0 } }
        func advance(by amount: TimeAmount) { time.withLock { $0 = $0 + amount } }
    }

    /// The id of the one token that is a bot's.
    static let botToken: UInt64 = 100

    static func token(_ id: UInt64 = 1, of user: UserID = user) -> String {
        Token(userID: user, tokenID: id).signed(with: secret)
    }

    static func run<Result>(
        limits: EdgeLimits = .patient, view: FakeView = FakeView(), isTest: Bool = false, loops: Int = 1,
        slots: FakeSlots = FakeSlots { _, _ in RestReply(status: 200, body: ByteBuffer(string: "{}")) },
        _ body: (RunningEdge) async throws -> Result
    ) async throws -> Result {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: loops)
        let moves = ClockMoves()
        let operators = OperatorsAPI(
            token: adminToken, cluster: .new(isTest: isTest, createdAt: Timestamp(milliseconds: 0)), version: "test",
            moveClock: { offset in moves.offsets.withLock { $0.append(offset) } }, logLevel: { .info },
            setLogLevel: { _ in })
        let clock = Clock()
        var service = EdgeService(
            slots: slots, view: view, tokenSecret: secret, clock: WallClock(), machine: "here", operators: operators,
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        service.now = { clock.now }
        let server = try await EdgeServer.start(
            host: "127.0.0.1", port: 0, service: service, limits: limits, group: group, logger: service.logger)
        let outcome: Swift.Result<Result, any Error>
        do {
            outcome = .success(
                try await body(
                    RunningEdge(server: server, slots: slots, clockMoves: moves, clock: clock)))
        } catch {
            outcome = .failure(error)
        }
        await server.shutdown(patience: .seconds(2))
        try await group.shutdownGracefully()
        return try outcome.get()
    }
}
