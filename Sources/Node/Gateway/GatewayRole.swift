import Foundation
import Identity
import Logging
import Metrics
import NIOCore
import NIOPosix
import Operations
import Placement
import Routing
import Synchronization
import Transport
import Wire

/// The gateway role of a node: clients' WebSockets on libuv loops, their sessions, and the streams that feed them.
///
/// A client comes over the gateway's own listener, or is passed on by a router of this machine. Its loop asks the
/// user's slot about the token, attaches the session to the user and their guilds by way of the one ``RootStreams``, and
/// from then on turns events into deliveries. Nothing but batches passes between threads.
public final class GatewayRole: NodeRole {
    /// How long a user's slot may take to judge a token.
    static let authenticationDeadline = TimeAmount.seconds(5)

    /// How long a draining gateway keeps sessions that no peer took for others to pull.
    static let handOverTime = TimeAmount.seconds(5)
    /// What is left of a drain's time for clients to close.
    static let closingTime = TimeAmount.seconds(2)
    /// How long routers may take to hear that a gateway drains.
    static let routersTime = TimeAmount.milliseconds(200)
    /// The most sessions that are on their way to peers at one time.
    static let maximumLeaving = 64
    /// How often a gateway looks whether an operator drains it.
    static let drainInterval = Duration.milliseconds(500)

    public let role = NodeRecord.Role.gateway
    public let handlers: [CallMethod: any CallHandler]
    public let acceptors: [CallMethod: any StreamAcceptor]

    private let settings: GatewaySettings
    let handOverTime: TimeAmount
    private let pulls = CallRelay<PullSessionHandler>()
    private let pushes = CallRelay<PushSessionHandler>()
    private let metrics = GatewayMetrics()

    struct Running {
        var streams: RootStreams
        var exchange: SessionExchange
        var keeper: JournalKeeper
        var buddy: BuddyLink
        var loops: [ClientLoop]
        var tasks: [Task<Void, Never>]
        var stopped: [AsyncStream<Void>]
    }
    private let running: ProcessState
    /// Shared with what serves peers' streams.
    private final class ProcessState: Sendable {
        let value = Mutex<Running?>(nil)
        func withLock<Result>(_ body: (inout sending Running?) -> sending Result) -> sending Result {
            value.withLock(body)
        }
    }

    /// - Parameter settings: checked already.
    public convenience init(settings: GatewaySettings) {
        self.init(settings: settings, handOverTime: GatewayRole.handOverTime)
    }

    /// - Parameter handOverTime: for a test to lengthen.
    init(settings: GatewaySettings, handOverTime: TimeAmount) {
        self.settings = settings
        self.handOverTime = handOverTime
        handlers = [.pullSession: pulls, .pushSession: pushes]
        let running = ProcessState()
        self.running = running
        acceptors = [.journal: JournalAcceptor { running.withLock { $0?.keeper } }]
    }

    public func start(_ services: NodeServices, record: inout NodeRecord) async throws {
        // libuv writes without MSG_NOSIGNAL: a client that has gone must not end the process.
        signal(SIGPIPE, SIG_IGN)
        let listener = try ListeningSocket(host: settings.host, port: settings.port)
        let socketListener: Int32
        do {
            socketListener = try SocketPassing.listen(path: settings.socketPath)
        } catch {
            close(listener.descriptor)
            throw error
        }
        record.socketPath = settings.socketPath
        record.clientURL = settings.clientURL ?? "ws://\(settings.host):\(listener.port)"
        let streams = RootStreams(
            node: services.node, client: services.client, view: services.view,
            eventLoop: MultiThreadedEventLoopGroup.singleton.next(), logger: services.logger)
        let keeper = JournalKeeper(
            view: services.view, eventLoop: MultiThreadedEventLoopGroup.singleton.next(), logger: services.logger)
        let buddy = BuddyLink(
            node: services.node, startedAt: record.startedAt, client: services.client, view: services.view,
            logger: services.logger)
        let exchange = SessionExchange(
            node: services.node, client: services.client, view: services.view, keeper: keeper, metrics: metrics,
            eventLoop: MultiThreadedEventLoopGroup.singleton.next(), logger: services.logger)
        let context = makeContext(services, streams: streams, exchange: exchange, buddy: buddy)
        let loops = (0..<settings.loops).map { ClientLoop(number: $0, context: context) }
        let acceptor = ClientAcceptor(
            clientListener: listener.descriptor, socketListener: socketListener, socketPath: settings.socketPath,
            loops: loops, logger: services.logger)
        var tasks = await streams.start(loops)
        await exchange.start(loops)
        pulls.serve(PullSessionHandler(exchange: exchange))
        pushes.serve(PushSessionHandler(exchange: exchange))
        tasks.append(await keeper.start())
        var stopped: [AsyncStream<Void>] = []
        for loop in loops {
            let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
            stopped.append(stream)
            loop.start(acceptor: loop.number == 0 ? acceptor : nil) { continuation.finish() }
        }
        tasks.append(Task { [metrics] in await GatewayRole.measure(loops, streams, metrics) })
        tasks.append(await buddy.start(loops))
        tasks.append(
            Task { [node = services.node, view = services.view] in
                await GatewayRole.obeyOperator(node, view, loops, exchange)
            })
        let running = Running(
            streams: streams, exchange: exchange, keeper: keeper, buddy: buddy, loops: loops, tasks: tasks,
            stopped: stopped)
        self.running.withLock { $0 = running }
        services.logger.info(
            "gateway listens", metadata: ["url": "\(record.clientURL)", "socket": "\(settings.socketPath)"])
    }

    /// What runs, for the drain to end; from then on nothing does.
    func takeRunning() -> Running? {
        running.withLock { running -> Running? in
            defer { running = nil }
            return running
        }
    }

    private func makeContext(
        _ services: NodeServices, streams: RootStreams, exchange: SessionExchange, buddy: BuddyLink
    ) -> LoopContext {
        let members = MemberSource(slots: services.slots)
        return LoopContext(
            node: services.node, settings: settings, tokenSecret: services.tokenSecret,
            logger: services.logger, metrics: metrics,
            pace: IdentifyPace(interval: settings.identifyInterval),
            authenticate: { token, loop, connection in
                Task {
                    let request = AuthenticateRequest(
                        userID: token.userID, tokenID: token.tokenID, beginsSession: true)
                    let body = try? await services.slots.call(
                        token.userID.slot, kind: .authenticate, body: request.encoded(), requestID: nil,
                        deadline: .now() + GatewayRole.authenticationDeadline)
                    let reply = body.flatMap { try? AuthenticateReply(decoding: $0) }
                    loop.post(.authenticated(connection: connection, reply))
                }
            },
            resume: { exchange.resume($0, $1, sequence: $2, loop: $3, connection: $4) },
            requestMembers: { request, loop in
                Task {
                    let chunks = await members.chunks(request)
                    loop.post(
                        .dispatches(session: request.session, type: "GUILD_MEMBERS_CHUNK", payloads: chunks))
                }
            },
            follow: { streams.enqueue($0, loop: $1) },
            sessionBegan: { exchange.sessionBegan($0, loop: $1) },
            sessionEnded: { exchange.sessionEnded($0, loop: $1) },
            sessionLeaves: { exchange.sessionLeaves($0, loop: $1) },
            journalLost: { stream, reason in Task { await buddy.lost(stream, reason) } })
    }

    private static func measure(_ loops: [ClientLoop], _ streams: RootStreams, _ metrics: GatewayMetrics) async {
        while !Task.isCancelled {
            metrics.record(await count(loops), followedRoots: await streams.followedRoots)
            try? await Task.sleep(for: .seconds(1))
        }
    }

    /// What the gateway holds; `nil` when it does not run.
    func count() async -> LoopCount? {
        guard let loops = running.withLock({ $0?.loops }) else { return nil }
        return await GatewayRole.count(loops)
    }

    static func count(_ loops: [ClientLoop]) async -> LoopCount {
        var total = LoopCount()
        for loop in loops {
            let count = await withCheckedContinuation { continuation in
                loop.post(.count { continuation.resume(returning: $0) })
            }
            total.connections += count.connections
            total.sessions += count.sessions
            total.journaled += count.journaled
        }
        return total
    }

    public func unreadiness() async -> String? {
        running.withLock { $0 == nil } ? "the gateway has not started, or stops" : nil
    }

    /// Whom the gateway journals to, and the sessions that others journal here.
    func journals() async -> (buddy: NodeID?, kept: Int) {
        guard let (buddy, keeper) = running.withLock({ $0.map { ($0.buddy, $0.keeper) } }) else { return (nil, 0) }
        return (await buddy.current, await keeper.sessionCount)
    }
}
