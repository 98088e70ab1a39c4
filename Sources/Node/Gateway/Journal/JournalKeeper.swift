import Identity
import Logging
import NIOCore
import Routing
import Transport
import Wire

/// The journals that other gateways keep here: for sessions whose gateway is lost, what they can be rebuilt from.
///
/// On one NIO event loop. A journal lives as long as its stream, and for the resume window after a stream that broke.
actor JournalKeeper {
    /// A journal whose stream broke while its gateway is there, and unchanged, is forgotten after this time: that
    /// gateway has found another buddy.
    static let strayTime = TimeAmount.seconds(30)
    /// The most entries of all journals, of about 64 bytes; above it, sessions are cut back to ``shortEntries``.
    static let maximumEntries = 4_000_000
    static let shortEntries = 64
    /// The most gateways that journal here at one time.
    static let maximumJournals = 256

    private struct Journal {
        var owner: NodeID
        var startedAt: Timestamp
        var stream: (any TransportStream)?
        var loops: [Int: JournaledLoop] = [:]
        var brokenAt: NIODeadline?

        mutating func breakOff() {
            stream = nil
            brokenAt = .now()
        }
    }

    private enum Input: Sendable {
        case opened(any TransportStream, JournalOpening)
        case message(JournalMessage, any TransportStream)
        case closed(any TransportStream)
    }

    private nonisolated let eventLoop: any EventLoop
    private nonisolated let executor: any SerialExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    private nonisolated let inputs = BatchQueue<Input>()

    private let view: any ClusterView
    private let logger: Logger
    /// By a number of their own: a broken stream is let go of, and the next one may be made at its address.
    private var journals: [Int: Journal] = [:]
    /// The journals of open streams, which they keep alive.
    private var numbers: [ObjectIdentifier: Int] = [:]
    private var nextNumber = 0
    private var isStopped = false

    init(view: any ClusterView, eventLoop: any EventLoop, logger: Logger) {
        self.view = view
        self.eventLoop = eventLoop
        self.logger = logger
        executor = eventLoop.executor
    }

    func start() -> Task<Void, Never> {
        Task {
            while !Task.isCancelled {
                try? await Task.sleep(for: .seconds(1))
                self.expire(now: .now())
            }
        }
    }

    /// Lets go of all: those who journal here look for another buddy.
    func stop() {
        isStopped = true
        for journal in journals.values { journal.stream?.close("the buddy stops") }
        journals.removeAll()
        numbers.removeAll()
    }

    // MARK: Streams

    private nonisolated func enqueue(_ input: Input) {
        inputs.append(input) {
            eventLoop.execute { self.assumeIsolated { $0.drainInputs() } }
        }
    }

    fileprivate nonisolated func opened(_ stream: any TransportStream, _ opening: JournalOpening) {
        enqueue(.opened(stream, opening))
    }
    fileprivate nonisolated func received(_ message: JournalMessage, on stream: any TransportStream) {
        enqueue(.message(message, stream))
    }
    fileprivate nonisolated func closed(_ stream: any TransportStream) { enqueue(.closed(stream)) }

    private func drainInputs() {
        for input in inputs.takeAll() {
            switch input {
            case .opened(let stream, let opening): open(stream, opening)
            case .message(.tick(let tick), let stream): apply(tick, stream)
            case .message(.end, let stream):
                if let number = numbers[ObjectIdentifier(stream)] { drop(number) }
                stream.close("the journal ends")
            case .closed(let stream):
                guard let number = numbers.removeValue(forKey: ObjectIdentifier(stream)) else { continue }
                journals[number]?.breakOff()
            }
        }
    }

    private func open(_ stream: any TransportStream, _ opening: JournalOpening) {
        guard !isStopped, journals.count < JournalKeeper.maximumJournals else {
            return stream.close("no further journals are kept here")
        }
        // The same process begins anew; what an earlier process of the name left is still wanted.
        for (number, journal) in journals where journal.owner == stream.peer && journal.startedAt == opening.startedAt {
            drop(number)
            journal.stream?.close("journaled anew")
        }
        nextNumber += 1
        numbers[ObjectIdentifier(stream)] = nextNumber
        journals[nextNumber] = Journal(owner: stream.peer, startedAt: opening.startedAt, stream: stream)
    }

    private func drop(_ number: Int) {
        guard let journal = journals.removeValue(forKey: number), let stream = journal.stream else { return }
        numbers[ObjectIdentifier(stream)] = nil
    }

    private func apply(_ tick: JournalTick, _ stream: any TransportStream) {
        guard let number = numbers[ObjectIdentifier(stream)] else { return }
        let isShort = entryCount > JournalKeeper.maximumEntries
        do throws(FieldError) {
            try journals[number]?.loops[tick.loop, default: JournaledLoop()].apply(
                tick, maximumEntries: isShort ? JournalKeeper.shortEntries : JournaledSession.maximumEntries)
        } catch {
            logger.error("a journal cannot be read", metadata: ["peer": "\(stream.peer)", "reason": "\(error)"])
            drop(number)
            return stream.close("a tick that cannot be read")
        }
        stream.consumed(1)
        if !stream.send(JournalReply(loop: tick.loop, number: tick.number).encoded()) { stream.close("queue full") }
    }

    private var entryCount: Int {
        journals.values.reduce(0) { $0 + $1.loops.values.reduce(0) { $0 + $1.entryCount } }
    }

    private func expire(now: NIODeadline) {
        for (number, journal) in journals {
            guard let brokenAt = journal.brokenAt else { continue }
            let isStray =
                now - brokenAt >= JournalKeeper.strayTime && view.node(journal.owner)?.startedAt == journal.startedAt
            if isStray || now - brokenAt >= Session.resumeWindow { drop(number) }
        }
    }

    // MARK: Sessions

    /// What the journals have of a session that does not live here.
    func find(_ request: PullSessionRequest) -> PullSessionReply {
        var best: (generation: Int, journal: Int, loop: Int)?
        var isGuarded = false
        for (number, journal) in journals {
            for (loopNumber, loop) in journal.loops {
                guard let session = loop.session(request.id), session.belongs(to: request.token) else { continue }
                guard journal.stream == nil else {
                    isGuarded = true
                    continue
                }
                if session.generation >= best?.generation ?? 0 { best = (session.generation, number, loopNumber) }
            }
        }
        if isGuarded { return .guarded }
        guard let best, let loop = journals[best.journal]?.loops[best.loop],
            let record = loop.record(of: request.id, at: request.sequence)
        else { return .unknown }
        guard request.kind == .journaled else { return .journaled(generation: best.generation) }
        forget(request.id)
        return .session(record)
    }

    func forget(_ id: SessionID) {
        for (number, journal) in journals where journal.stream == nil {
            for loop in journal.loops.keys { journals[number]?.loops[loop]?.forget(id) }
        }
    }

    /// Sessions in journals, for metrics and tests.
    var sessionCount: Int {
        journals.values.reduce(0) { $0 + $1.loops.values.reduce(0) { $0 + $1.sessions.count } }
    }
}

/// Takes `journal` streams.
struct JournalAcceptor: StreamAcceptor {
    let keeper: @Sendable () -> JournalKeeper?

    func accept(_ stream: any TransportStream, body: ByteBuffer) throws(CallFailure) -> any StreamReceiver {
        guard let keeper = keeper() else { throw .refused("the gateway is starting or stopping") }
        guard let opening = try? JournalOpening(decoding: body) else { throw .refused("not a JournalOpening") }
        keeper.opened(stream, opening)
        return JournalReceiver(keeper: keeper)
    }
}

private struct JournalReceiver: StreamReceiver {
    let keeper: JournalKeeper

    func received(_ item: ByteBuffer, on stream: any TransportStream) {
        guard let message = try? JournalMessage(decoding: item) else {
            return stream.close("a message that cannot be read")
        }
        keeper.received(message, on: stream)
    }

    func closed(_ reason: String, on stream: any TransportStream) { keeper.closed(stream) }
}
