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

    /// How long a draining gateway keeps sessions for others to pull.
    static let handOverTime = TimeAmount.seconds(5)

    public let role = NodeRecord.Role.gateway
    public let handlers: [CallMethod: any CallHandler]
    public let acceptors: [CallMethod: any StreamAcceptor] = [:]

    private let settings: GatewaySettings
    private let pulls = PullRelay()
    private let metrics = GatewayMetrics()

    private struct Running {
        var streams: RootStreams
        var loops: [ClientLoop]
        var tasks: [Task<Void, Never>]
        var stopped: [AsyncStream<Void>]
    }
    private let running = Mutex<Running?>(nil)

    /// - Parameter settings: checked already.
    public init(settings: GatewaySettings) {
        self.settings = settings
        handlers = [.pullSession: pulls]
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
        let context = makeContext(services, streams: streams)
        let loops = (0..<settings.loops).map { ClientLoop(number: $0, context: context) }
        let acceptor = ClientAcceptor(
            clientListener: listener.descriptor, socketListener: socketListener, socketPath: settings.socketPath,
            loops: loops, logger: services.logger)
        var tasks = await streams.start(loops)
        pulls.serve(streams)
        var stopped: [AsyncStream<Void>] = []
        for loop in loops {
            let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
            stopped.append(stream)
            loop.start(acceptor: loop.number == 0 ? acceptor : nil) { continuation.finish() }
        }
        tasks.append(Task { [metrics] in await GatewayRole.measure(loops, streams, metrics) })
        let running = Running(streams: streams, loops: loops, tasks: tasks, stopped: stopped)
        self.running.withLock { $0 = running }
        services.logger.info(
            "gateway listens", metadata: ["url": "\(record.clientURL)", "socket": "\(settings.socketPath)"])
    }

    private func makeContext(_ services: NodeServices, streams: RootStreams) -> LoopContext {
        let members = MemberSource(slots: services.slots)
        return LoopContext(
            node: services.node, settings: settings, tokenSecret: services.tokenSecret,
            logger: services.logger, metrics: metrics,
            authenticate: { token, loop, connection in
                Task {
                    let request = AuthenticateRequest(userID: token.userID, tokenID: token.tokenID)
                    let body = try? await services.slots.call(
                        token.userID.slot, kind: .authenticate, body: request.encoded(), requestID: nil,
                        deadline: .now() + GatewayRole.authenticationDeadline)
                    let reply = body.flatMap { try? AuthenticateReply(decoding: $0) }
                    loop.post(.authenticated(connection: connection, reply))
                }
            },
            resume: { streams.resume($0, $1, loop: $2, connection: $3) },
            requestMembers: { request, loop in
                Task {
                    let chunks = await members.chunks(request)
                    loop.post(
                        .dispatches(session: request.session, type: "GUILD_MEMBERS_CHUNK", payloads: chunks))
                }
            },
            follow: { streams.enqueue($0, loop: $1) },
            sessionBegan: { streams.sessionBegan($0, loop: $1) },
            sessionEnded: { streams.sessionEnded($0, loop: $1) })
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

    private static func count(_ loops: [ClientLoop]) async -> LoopCount {
        var total = LoopCount()
        for loop in loops {
            let count = await withCheckedContinuation { continuation in
                loop.post(.count { continuation.resume(returning: $0) })
            }
            total.connections += count.connections
            total.sessions += count.sessions
        }
        return total
    }

    public func unreadiness() async -> String? {
        running.withLock { $0 == nil } ? "the gateway has not started, or stops" : nil
    }

    /// Sends op 7 to every client and closes; then the sessions stay here to be pulled by the gateways that the
    /// clients come back to, until all are gone or the deadline is near.
    public func drain(until deadline: NIODeadline) async {
        guard
            let running = running.withLock({ running -> Running? in
                defer { running = nil }
                return running
            })
        else { return }
        for task in running.tasks { task.cancel() }
        for loop in running.loops { loop.post(.drain) }
        let patience = min(deadline - .seconds(1), .now() + GatewayRole.handOverTime)
        while NIODeadline.now() < patience, await GatewayRole.count(running.loops).sessions > 0 {
            try? await Task.sleep(for: .milliseconds(50))
        }
        for loop in running.loops { loop.post(.stop) }
        for stream in running.stopped { for await _ in stream {} }
        await running.streams.stop()
    }
}

/// Serves `pullSession` from the moment that the streams runs.
private final class PullRelay: CallHandler {
    private let handler = Mutex<PullSessionHandler?>(nil)

    func serve(_ streams: RootStreams) { handler.withLock { $0 = PullSessionHandler(streams: streams) } }

    func handle(_ call: InboundCall) async throws(CallFailure) -> ByteBuffer {
        guard let handler = handler.withLock({ $0 }) else { throw .refused("the gateway is starting") }
        return try await handler.handle(call)
    }
}
