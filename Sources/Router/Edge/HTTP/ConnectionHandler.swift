import Logging
import NIOCore
import NIOHTTP1

/// The thin shell around ``RequestIntake``: parts of requests in, answers out, on the connection's event loop.
///
/// What comes while a request is answered waits in ``queue``, and then nothing more is read: one read's worth at most,
/// and a client that waits for its answers costs no change of what the selector watches.
final class ConnectionHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private let limits: EdgeLimits
    private let responder: Responder
    private let sweep: ConnectionSweep
    private var intake: RequestIntake
    private var context: ChannelHandlerContext?
    private var queue = CircularBuffer<HTTPServerRequestPart>()
    /// Counts answers, so that one that comes after its time is not taken for the next request's.
    private var answerNumber = 0
    private var isHead = false
    private var wantsRead = false
    private var isProceeding = false
    private var isDraining = false
    private var peer = ""
    private var task: Task<Void, Never>?

    init(limits: EdgeLimits, responder: Responder, sweep: ConnectionSweep) {
        self.limits = limits
        self.responder = responder
        self.sweep = sweep
        intake = RequestIntake(limits: limits, now: .now())
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        peer = context.remoteAddress.map { "\($0.ipAddress ?? "unix"):\($0.port ?? 0)" } ?? ""
        sweep.add(self)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        sweep.remove(self)
        self.context = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        task?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isLeaving {
            // The decoder's last bytes, on their way to the socket's next owner.
            return context.fireChannelRead(data)
        }
        let part = unwrapInboundIn(data)
        if intake.isBusy { queue.append(part) } else { take(part, context) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        intake.bytesArrived(now: .now())
        context.fireChannelReadComplete()
    }

    func read(context: ChannelHandlerContext) {
        if queue.isEmpty { context.read() } else { wantsRead = true }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable, intake.flushed(now: .now()) { proceed(context) }
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? HTTPParserError, !isLeaving else { return context.close(promise: nil) }
        switch error {
        case .headerOverflow: refuse(EdgeError(.requestHeaderFieldsTooLarge), context)
        default: refuse(EdgeError(.badRequest), context)
        }
    }

    private var isLeaving = false

    private func take(_ part: HTTPServerRequestPart, _ context: ChannelHandlerContext) {
        let action =
            switch part {
            case .head(let head): intake.head(head, now: .now())
            case .body(let bytes): intake.body(bytes)
            case .end: intake.end(now: .now())
            }
        switch action {
        case .none: break
        case .sendContinue:
            let head = HTTPResponseHead(version: .http1_1, status: .continue)
            context.writeAndFlush(wrapOutboundOut(.head(head)), promise: nil)
        case .answer(let head, let body): answer(head, body)
        case .handOver(let head): leave(head, context)
        case .refuse(let error): refuse(error, context)
        }
    }

    private func answer(_ head: HTTPRequestHead, _ body: ByteBuffer) {
        isHead = head.method == .HEAD
        let request = EdgeRequest(
            method: head.method, target: head.uri, headers: head.headers, body: body, peer: peer,
            deadline: .now() + limits.requestDeadline)
        answerNumber += 1
        let number = answerNumber
        let started = responder.start(request) { [weak self] response in self?.complete(response, number) }
        // A change is carried out even when its client has gone: only reads are given up.
        let isRead = head.method == .GET || head.method == .HEAD
        if isRead, number == answerNumber, intake.isAnswering { task = started }
    }

    private func complete(_ response: EdgeResponse, _ number: Int) {
        guard let context, number == answerNumber, intake.isAnswering else { return }
        task = nil
        let closes = response.closesConnection || intake.isLast || isDraining
        write(response, closes: closes, context)
        switch intake.answered(closes: closes, isWritable: context.channel.isWritable, now: .now()) {
        case .nextRequest: proceed(context)
        case .flush: break
        case .linger: linger(context)
        }
    }

    private func proceed(_ context: ChannelHandlerContext) {
        // An answer may be there before `take` returns: then this loop goes on, instead of one inside it.
        guard !isProceeding else { return }
        isProceeding = true
        while !intake.isBusy, let part = queue.popFirst() { take(part, context) }
        isProceeding = false
        guard queue.isEmpty, wantsRead else { return }
        wantsRead = false
        context.read()
    }

    private func write(_ response: EdgeResponse, closes: Bool, _ context: ChannelHandlerContext) {
        var headers = HTTPHeaders()
        headers.reserveCapacity(5 + response.headers.count)
        let length = response.body.readableBytes
        if length > 0 { headers.add(name: "Content-Type", value: "application/json") }
        if response.status != .noContent { headers.add(name: "Content-Length", value: String(length)) }
        headers.add(name: "Access-Control-Allow-Origin", value: "*")
        for (name, value) in response.headers { headers.add(name: name, value: value) }
        if closes { headers.add(name: "Connection", value: "close") }
        let head = HTTPResponseHead(version: .http1_1, status: response.status, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if length > 0, !isHead { context.write(wrapOutboundOut(.body(.byteBuffer(response.body))), promise: nil) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    /// Answers with an error, and ends the connection: what the client sends further is not to be understood.
    private func refuse(_ error: EdgeError, _ context: ChannelHandlerContext) {
        answerNumber += 1
        task?.cancel()
        task = nil
        isHead = false
        write(error.response, closes: true, context)
        intake.lingering(now: .now())
        linger(context)
    }

    private func linger(_ context: ChannelHandlerContext) {
        queue.removeAll()
        // Closes our side after what was written; the client's close, or the sweep, ends the rest.
        context.close(mode: .output, promise: nil)
        wantsRead = false
        context.read()
    }

    // MARK: - The sweep

    /// Called some times a second: carries out what is due.
    func expire(now: NIODeadline) {
        guard let context else { return }
        switch intake.expired(now: now) {
        case .none: break
        case .close: context.close(promise: nil)
        case .refuse(let error): refuse(error, context)
        }
    }

    /// The router stops: an idle connection is closed, any other after its answer.
    func drain() {
        isDraining = true
        if intake.isIdle { context?.close(promise: nil) }
    }

    // MARK: - WebSocket

    /// Gives the socket to a gateway, once the decoder has given back the bytes that it read ahead.
    private func leave(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        isLeaving = true
        isHead = false
        guard !isDraining,
            let decoder = try? context.pipeline.syncOperations.handler(
                type: ByteToMessageHandler<HTTPRequestDecoder>.self)
        else {
            isLeaving = false
            return refuse(.unavailable, context)
        }
        let departure = SocketDeparture(head: head, peer: peer, responder: responder)
        do {
            try context.channel.syncOptions?.setOption(.autoRead, value: false)
            try context.pipeline.syncOperations.addHandler(departure, position: .after(self))
        } catch {
            return context.close(promise: nil)
        }
        let connection = NIOLoopBound((self, context, departure), eventLoop: context.eventLoop)
        // The decoder is in the middle of its work: it leaves when that is done.
        context.pipeline.syncOperations.removeHandler(decoder).whenComplete { result in
            let (handler, context, departure) = connection.value
            guard handler.context != nil else { return }
            guard case .success = result else { return context.close(promise: nil) }
            departure.begin { handler.stay(context) }
        }
    }

    /// No gateway took the socket.
    private func stay(_ context: ChannelHandlerContext) {
        guard self.context != nil else { return }
        // Fails only on a closed channel.
        try? context.channel.syncOptions?.setOption(.autoRead, value: true)
        refuse(.unavailable, context)
    }
}
