import Identity
import Logging
import Metrics
import NIOCore
import NIOHTTP1
import Operations
import Routing
import Tracing
import Wire

/// Answers the requests of one event loop's connections.
///
/// It finds the route, verifies the token, and asks the slot that owns the entity; what it keeps (tokens seen, the
/// next gateway) belongs to this event loop alone, so that nothing is shared and nothing is locked.
actor Responder {
    nonisolated let eventLoop: any EventLoop
    nonisolated let service: EdgeService
    private nonisolated let taskExecutor: LoopTaskExecutor
    private static let routes = RouteTable(APIRoutes.all)
    var authenticator: Authenticator
    var gateways = GatewayRotation()
    private var metrics = AccessMetrics()
    var generator = SystemRandomNumberGenerator()

    nonisolated var unownedExecutor: UnownedSerialExecutor { eventLoop.executor.asUnownedSerialExecutor() }

    init(eventLoop: any EventLoop, service: EdgeService) {
        self.eventLoop = eventLoop
        self.service = service
        taskExecutor = LoopTaskExecutor(eventLoop: eventLoop)
        authenticator = Authenticator(secret: service.tokenSecret)
    }

    /// Begins to answer, at once and on the present thread, which must be the event loop's.
    ///
    /// - Parameter done: called on the event loop.
    nonisolated func start(
        _ request: EdgeRequest, _ done: @escaping (EdgeResponse) -> Void
    ) -> Task<Void, Never> {
        let done = NIOLoopBound(done, eventLoop: eventLoop)
        return assumeIsolated { responder in
            Task.immediate(executorPreference: responder.taskExecutor) {
                let response = await responder.respond(to: request)
                done.value(response)
            }
        }
    }

    func respond(to request: EdgeRequest) async -> EdgeResponse {
        let began = NIODeadline.now()
        let requestID = RequestID(
            mintedMilliseconds: UInt64(max(0, service.clock.now().milliseconds)), random: generator.next())
        // A trace begins at the edge, unless the client is part of one.
        var context = ServiceContext.topLevel
        let trace = request.headers.first(name: "traceparent").flatMap { TraceParent($0) } ?? .random()
        context.traceParent = trace
        var (operation, response) = await withSpan("request", context: context, ofKind: .server) { span in
            let answer = await self.answer(request, requestID)
            span.operationName = answer.operation
            if answer.response.status.code >= 500 { span.setStatus(SpanStatus(code: .error)) }
            return answer
        }
        response.headers.append(("X-Request-Id", requestID.description))
        let taken = NIODeadline.now() - began
        metrics.record(operation: operation, status: response.status, nanoseconds: taken.nanoseconds)
        service.logger.debug(
            "request",
            metadata: [
                "method": "\(request.method)", "operation": "\(operation)", "status": "\(response.status.code)",
                "request_id": "\(requestID)", "trace_id": "\(trace.traceID)", "peer": "\(request.peer)",
                "microseconds": "\(taken.nanoseconds / 1000)",
            ])
        return response
    }

    private func answer(
        _ request: EdgeRequest, _ id: RequestID
    ) async -> (operation: String, response: EdgeResponse) {
        if request.method == .OPTIONS { return ("preflight", Self.preflight) }
        let path: Substring
        switch APIVersion.split(request.path) {
        case .path(let rest): path = rest
        case .unknownVersion: return ("unknown", EdgeError.invalidVersion.response)
        case .elsewhere:
            guard request.path.hasPrefix("/admin/v1/") else { return ("unknown", EdgeError.notFound.response) }
            return await answerOperator(request, id)
        }
        switch Self.routes.match(request.method, path) {
        case .none: return ("unknown", EdgeError.notFound.response)
        case .otherMethods(let methods): return ("unknown", EdgeError.methodNotAllowed(methods).response)
        case .route(let route, let parameters):
            do throws(EdgeError) {
                let response = try await answer(request, id, route, parameters)
                return (route.operation, response)
            } catch {
                return (route.operation, error.response)
            }
        }
    }

    private func answer(
        _ request: EdgeRequest, _ id: RequestID, _ route: Route, _ parameters: [String: String]
    ) async throws(EdgeError) -> EdgeResponse {
        var call = RestRequest(operation: route.operation, parameters: parameters)
        switch route.access {
        case .anyone: break
        case .optionalToken:
            if request.headers.contains(name: "authorization") { call.actor = try await authenticate(request) }
        case .token: call.actor = try await authenticate(request)
        }
        guard let query = QueryString.parse(request.query) else {
            throw EdgeError(.badRequest, code: 0, "The query is not valid")
        }
        call.query = query
        call.body = try body(of: request)
        if let reason = request.headers.first(name: "x-audit-log-reason") {
            guard let decoded = PercentEncoding.decode(reason), decoded.count <= 512 else {
                throw .invalidForm(
                    "X-Audit-Log-Reason", code: "BASE_TYPE_MAX_LENGTH", "Must be 512 or fewer in length.")
            }
            call.reason = decoded
        }
        let target = CallTarget(deadline: request.deadline, requestID: route.isMutating ? id : nil)
        return try await dispatch(call, route, request, target)
    }

    private func dispatch(
        _ call: RestRequest, _ route: Route, _ request: EdgeRequest, _ target: CallTarget
    ) async throws(EdgeError) -> EdgeResponse {
        for (name, value) in call.parameters where name.hasSuffix("_id") {
            guard Snowflake(value) != nil else { throw .notSnowflake(name, value) }
        }
        switch route.owner {
        case .parameter(let name):
            guard let id = call.parameters[name].flatMap({ Snowflake($0) }) else { throw .notFound }
            return try await ask(id.slot, call, target)
        case .invite:
            guard let code = call.parameters["code"].flatMap({ InviteCode($0) }) else { throw .unknownInvite }
            return try await ask(code.slot, call, target)
        case .actor:
            guard let actor = call.actor else { throw .unauthorized }
            return try await ask(actor.userID.slot, call, target)
        case .newSlot:
            let response = try await ask(try newSlot(), call, target)
            if call.operation == "register", response.status == .created {
                await acceptInvite(of: call.body, response.body, target)
            }
            return response
        case .bodyGuild: return try await authorizeBot(call, target)
        case .router: return try await compose(call, request, target)
        }
    }

    /// Asks the slot's primary, and turns its answer into the client's.
    func ask(_ slot: Slot, _ call: RestRequest, _ target: CallTarget) async throws(EdgeError) -> EdgeResponse {
        let reply = try await reply(slot, call, target)
        return EdgeResponse(
            status: HTTPResponseStatus(statusCode: reply.status), body: reply.status == 204 ? ByteBuffer() : reply.body)
    }

    func reply(_ slot: Slot, _ call: RestRequest, _ target: CallTarget) async throws(EdgeError) -> RestReply {
        let body: ByteBuffer
        do throws(SlotCallFailure) {
            body = try await service.slots.call(
                slot, kind: .rest, body: call.encoded(), requestID: target.requestID, deadline: target.deadline)
        } catch {
            throw edgeError(error, call.operation, isMutating: target.requestID != nil)
        }
        guard let reply = try? RestReply(decoding: body), (200...599).contains(reply.status) else {
            service.logger.error(
                "a slot's answer cannot be read", metadata: ["operation": "\(call.operation)", "slot": "\(slot)"])
            throw .internalError
        }
        return reply
    }

    func edgeError(_ failure: SlotCallFailure, _ operation: String, isMutating: Bool = false) -> EdgeError {
        switch failure {
        case .deadlineExceeded(let reason), .outcomeUnknown(let reason):
            service.logger.warning(
                "no answer within the deadline", metadata: ["operation": "\(operation)", "reason": "\(reason)"])
            if isMutating, case .outcomeUnknown = failure { return .outcomeUnknown }
            return .timeout
        case .refused(let reason):
            service.logger.error(
                "a slot refused a request", metadata: ["operation": "\(operation)", "reason": "\(reason)"])
            return .internalError
        case .clockApart(let reason):
            service.logger.error(
                "the clocks of this router and of a guild node differ: set them by NTP; nothing is changed until then",
                metadata: ["operation": "\(operation)", "reason": "\(reason)"])
            return .clockApart
        }
    }

    func newSlot() throws(EdgeError) -> Slot {
        guard let slot = SlotChoice(view: service.view).pick(using: &generator) else { throw .unavailable }
        return slot
    }

    /// Answers browsers' preflight requests: the API is open to any page, since it takes no cookies.
    private static let preflight = EdgeResponse(
        status: .noContent,
        headers: [
            ("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
            ("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Audit-Log-Reason"),
            ("Access-Control-Expose-Headers", "Retry-After, X-Request-Id"),
            ("Access-Control-Max-Age", "86400"),
        ])

    /// The JSON of a request's body, out of a form where a library wraps it in one.
    private func body(of request: EdgeRequest) throws(EdgeError) -> ByteBuffer {
        guard let type = request.headers.first(name: "content-type"),
            type.prefix(19).lowercased() == "multipart/form-data"
        else { return request.body }
        return try MultipartForm.payload(request.body, contentType: type)
    }
}

/// How long a call may take, and what it is known by when it changes something.
struct CallTarget: Sendable {
    var deadline: NIODeadline
    var requestID: RequestID?
}
