import CLibUV
import Foundation
import Identity
import NIOCore
import Transport
import Wire

/// One libuv loop on a thread of its own: it owns its clients' sockets, their sessions and their views.
///
/// `@unchecked Sendable`: everything is touched on the loop's thread only, but for `queue`, which is Sendable, and the
/// wake-up handle, which `uv_async_send` may touch on any thread as long as it is open; it is closed after the queue
/// is, under whose lock it is used.
final class ClientLoop: LoopPost, @unchecked Sendable {
    static let sweepMilliseconds: UInt64 = 1000
    /// A loop that ran no more often than this stood still, and its gateway may have counted as lost; less than the
    /// silence after which a stream between nodes ends.
    static let standstill = TimeAmount.seconds(3)
    static let journalMilliseconds: UInt64 = 25
    static let readBytes = 64 * 1024

    let number: Int
    let context: LoopContext
    private let queue = BatchQueue<LoopMessage>()
    private let uv: UnsafeMutablePointer<uv_loop_t> = .allocate(capacity: 1)
    private let wakeUp: UnsafeMutablePointer<uv_async_t> = .allocate(capacity: 1)
    private let timer: UnsafeMutablePointer<uv_timer_t> = .allocate(capacity: 1)
    private let beforePoll: UnsafeMutablePointer<uv_prepare_t> = .allocate(capacity: 1)
    private let journalTimer: UnsafeMutablePointer<uv_timer_t> = .allocate(capacity: 1)
    private let readBuffer: UnsafeMutablePointer<CChar> = .allocate(capacity: ClientLoop.readBytes)

    private(set) var host: SessionHost!
    let decoder = JSONDecoder()
    let scratch = OutputScratch()
    let deflater = Deflater()
    var tally = GatewayMetrics.Tally()
    private(set) var now = NIODeadline.now()
    private(set) var connections: [UInt64: ClientConnection] = [:]
    private var nextNumber: UInt64 = 1
    /// Connections with output that no write is planned for.
    var dirty: [ClientConnection] = []
    /// Connections whose output waits for the journal's tick under way.
    var awaiting: [ClientConnection] = []
    let journal: SessionJournal
    var journalStream: (any TransportStream)?
    private var requests: [FollowRequest] = []
    private(set) var isAdmitting = true
    private var acceptor: ClientAcceptor?
    private var onStopped: (@Sendable () -> Void)?

    init(number: Int, context: LoopContext) {
        self.number = number
        self.context = context
        journal = SessionJournal(loop: number, maximumWait: context.settings.journalWait)
    }

    deinit {
        uv.deallocate()
        wakeUp.deallocate()
        timer.deallocate()
        beforePoll.deallocate()
        journalTimer.deallocate()
        readBuffer.deallocate()
    }

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - acceptor: what takes new clients, on one loop of all.
    ///   - onStopped: called on the thread, as the last thing it does.
    func start(acceptor: ClientAcceptor?, onStopped: @escaping @Sendable () -> Void) {
        self.acceptor = acceptor
        self.onStopped = onStopped
        host = SessionHost(source: self)
        host.maximumSessions = 2 * max(1, context.settings.maximumConnections / context.settings.loops)
        host.sessionEnded = { [context, number] in context.sessionEnded($0, number) }
        host.journal = journal
        // These fail only when the process has no memory or no descriptors at its very start.
        precondition(uv_loop_init(uv) == 0, "libuv has no loop")
        precondition(uv_async_init(uv, wakeUp) { ClientLoop.from($0)?.drainQueue() } == 0, "libuv has no wake-up")
        uv_timer_init(uv, timer)
        uv_timer_init(uv, journalTimer)
        uv_prepare_init(uv, beforePoll)
        let me = Unmanaged.passUnretained(self).toOpaque()
        wakeUp.pointee.data = me
        timer.pointee.data = me
        beforePoll.pointee.data = me
        journalTimer.pointee.data = me
        uv_timer_start(
            timer, { ClientLoop.from($0)?.sweep() }, ClientLoop.sweepMilliseconds, ClientLoop.sweepMilliseconds)
        uv_prepare_start(beforePoll) { ClientLoop.from($0)?.flushAll() }
        acceptor?.start(on: uv)
        let thread = Thread { [self] in
            uv_run(uv, UV_RUN_DEFAULT)
            uv_loop_close(uv)
            self.onStopped?()
        }
        thread.name = "gateway-\(number)"
        thread.start()
    }

    private static func from(_ handle: UnsafeMutablePointer<uv_async_t>?) -> ClientLoop? { from(handle?.pointee.data) }
    private static func from(_ handle: UnsafeMutablePointer<uv_timer_t>?) -> ClientLoop? { from(handle?.pointee.data) }
    private static func from(_ handle: UnsafeMutablePointer<uv_prepare_t>?) -> ClientLoop? {
        from(handle?.pointee.data)
    }

    private static func from(_ data: UnsafeMutableRawPointer?) -> ClientLoop? {
        data.map { Unmanaged<ClientLoop>.fromOpaque($0).takeUnretainedValue() }
    }

    func post(_ message: LoopMessage) {
        if !queue.append(message, weight: message.weight, wake: { uv_async_send(wakeUp) }) { refuse(message) }
    }

    var backlog: Int { queue.weight }

    // MARK: On the loop's thread

    func setNow() {
        let before = now
        now = NIODeadline.uptimeNanoseconds(uv_hrtime())
        host.now = now
        // Before anything is read: a client may have been elsewhere in the meantime.
        if now - before >= ClientLoop.standstill { doubtSessions() }
    }

    private func drainQueue() {
        setNow()
        for message in queue.takeAll() { handle(message) }
    }

    private func handle(_ message: LoopMessage) {
        switch message {
        case .host(let messages): for message in messages { handle(message) }
        case .adopt(let descriptor, let received, let peer): adopt(descriptor, received, peer)
        case .authenticated(let connection, let reply): authenticated(connections[connection], reply)
        case .resumed(let connection, let record): resumed(connection, record)
        case .export(let id, let token, let reply): reply(export(id, token))
        case .dispatches(let id, let type, let payloads):
            if let session = host.sessions[id] { answered(session, type, payloads) }
        case .handOver(let limit, let reply): reply(handOver(limit))
        case .take(let record, let reply):
            take(record)
            reply(true)
        case .admit(let isAdmitting): self.isAdmitting = isAdmitting
        case .journal(let stream): journal(on: stream)
        case .journalLost:
            doubtSessions()
            journal(on: nil)
        case .journaled(let tick): journaled(tick)
        case .stopAccepting:
            isAdmitting = false
            acceptor?.stop()
        case .drain: drain()
        case .stop: stop()
        case .count(let reply):
            reply(
                LoopCount(
                    connections: connections.count, sessions: host.sessions.count, journaled: journal.journaledCount))
        }
    }

    /// The loop has stopped: whoever waits for an answer gets one.
    private func refuse(_ message: LoopMessage) {
        switch message {
        case .adopt(let descriptor, _, _): Glibc.close(descriptor)
        case .export(_, _, let reply): reply(nil)
        case .handOver(_, let reply): reply([])
        case .take(_, let reply): reply(false)
        case .count(let reply): reply(LoopCount())
        case .host, .authenticated, .resumed, .dispatches, .admit, .journal, .journalLost, .journaled,
            .stopAccepting, .drain, .stop:
            break
        }
    }

    private func handle(_ message: HostMessage) {
        switch message {
        case .event(let event, let number): host.received(event, number: number)
        case .snapshot(let root, let number, let body, let tag):
            host.received(snapshot: body, of: root, number: number, tag: tag)
        case .fetched(let root, let events, let tag): host.received(fetched: events, of: root, tag: tag)
        case .gap(let root, let tag): host.received(gapOf: root, tag: tag)
        case .unknown(let root, let tag): host.received(unknown: root, tag: tag)
        case .lost(let root):
            tally.invalidations += host.roots[root]?.sessions.count ?? 0
            host.lost(root)
        }
    }

    private func adopt(_ descriptor: Int32, _ received: ByteBuffer, _ peer: String) {
        let limit = max(1, context.settings.maximumConnections / context.settings.loops)
        guard isAdmitting, connections.count < limit else {
            tally.refused += 1
            Glibc.close(descriptor)
            return
        }
        let connection = ClientConnection(
            loop: self, number: nextNumber, descriptor: descriptor, peer: peer, now: now)
        uv_tcp_init(uv, connection.tcp)
        guard uv_tcp_open(connection.tcp, descriptor) == 0 else {
            Glibc.close(descriptor)
            connection.tcp.pointee.data = Unmanaged.passRetained(connection).toOpaque()
            closeHandle(connection)
            return
        }
        nextNumber += 1
        connections[connection.number] = connection
        // Held by the handle until its close callback.
        connection.tcp.pointee.data = Unmanaged.passRetained(connection).toOpaque()
        uv_tcp_nodelay(connection.tcp, 1)
        uv_tcp_keepalive(connection.tcp, 1, 60)
        let started = uv_read_start(
            connection.stream,
            { handle, _, buffer in
                guard let connection = ClientConnection.from(handle) else { return }
                buffer?.pointee = uv_buf_init(connection.loop.readBuffer, UInt32(ClientLoop.readBytes))
            },
            { stream, count, _ in
                guard let connection = ClientConnection.from(stream) else { return }
                connection.loop.didRead(count, connection)
            })
        guard started == 0 else { return destroy(connection) }
        if received.readableBytes > 0 { connection.received(received) }
    }

    private func didRead(_ count: Int, _ connection: ClientConnection) {
        setNow()
        if count > 0 {
            connection.received(
                ByteBuffer(bytes: UnsafeRawBufferPointer(start: readBuffer, count: count)))
        } else if count < 0 {
            // The end, or an error: either way the client is gone, and may resume.
            destroy(connection)
        }
    }

    private func sweep() {
        setNow()
        for connection in connections.values { connection.tick(now) }
        host.sweep()
        acceptor?.resume()
        (tally.compressed, tally.compressionNanoseconds) = deflater.takeUse()
        context.metrics.report(tally)
        tally = GatewayMetrics.Tally()
    }

    /// Looks after the journal's answers while there is a buddy.
    func watchJournal(_ isOn: Bool) {
        guard isOn else {
            uv_timer_stop(journalTimer)
            return
        }
        uv_timer_start(
            journalTimer, { ClientLoop.from($0)?.checkJournal() }, ClientLoop.journalMilliseconds,
            ClientLoop.journalMilliseconds)
    }

    func markDirty(_ connection: ClientConnection) {
        guard !connection.isDirty else { return }
        connection.isDirty = true
        dirty.append(connection)
    }

    /// Sends what waits, once for each connection; runs before the loop waits for input.
    private func flushAll() {
        if journal.isActive { flushJournaled() } else { flushDirty() }
        if !requests.isEmpty {
            context.follow(requests, number)
            requests.removeAll(keepingCapacity: true)
        }
    }

    /// Closes the socket now. The session, if any, waits for its client.
    func destroy(_ connection: ClientConnection) {
        if case .closed = connection.phase { return }
        connection.detachSession()
        connection.phase = .closed
        connection.pending.removeAll()
        connections[connection.number] = nil
        closeHandle(connection)
    }

    private func closeHandle(_ connection: ClientConnection) {
        let handle = UnsafeMutableRawPointer(connection.tcp).assumingMemoryBound(to: uv_handle_t.self)
        guard uv_is_closing(handle) == 0 else { return }
        uv_close(handle) { handle in
            if let data = handle?.pointee.data { Unmanaged<ClientConnection>.fromOpaque(data).release() }
        }
    }

    private func drain() {
        isAdmitting = false
        acceptor?.stop()
        for connection in connections.values {
            if connection.session == nil {
                connection.close(1001, "The gateway is going away.")
            } else {
                sendAway(connection)
            }
        }
    }

    private func stop() {
        isAdmitting = false
        for message in queue.close() { refuse(message) }
        acceptor?.stop()
        journal(on: nil)
        flushAll()
        for connection in connections.values { destroy(connection) }
        for handle in [
            UnsafeMutableRawPointer(wakeUp), UnsafeMutableRawPointer(timer), UnsafeMutableRawPointer(beforePoll),
            UnsafeMutableRawPointer(journalTimer),
        ] {
            uv_close(handle.assumingMemoryBound(to: uv_handle_t.self), nil)
        }
    }
}

extension ClientLoop: RootSource {
    func follow(_ root: RootEntity, intents: UInt64) { requests.append(.follow(root: root, intents: intents)) }
    func unfollow(_ root: RootEntity) { requests.append(.unfollow(root: root)) }
    func snapshot(_ root: RootEntity, user: UserID, tag: UInt64) {
        requests.append(.snapshot(root: root, user: user, tag: tag))
    }
    func fetch(_ root: RootEntity, after: EventNumber, through: EventNumber, tag: UInt64) {
        requests.append(.fetch(root: root, after: after, through: through, tag: tag))
    }
}
