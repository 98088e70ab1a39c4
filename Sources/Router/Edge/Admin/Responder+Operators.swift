import Identity
import Logging
import NIOCore
import NIOHTTP1
import Placement
import Routing
import Wire

/// Answers operators, whose requests are few: nothing here is on a busy path.
extension Responder {
    private static let operatorRoutes = RouteTable(AdminRoutes.all)

    func answerOperator(_ request: EdgeRequest, _ id: RequestID) async -> (operation: String, response: EdgeResponse) {
        // Before anything is said about paths.
        guard service.operators.accepts(request.headers.first(name: "authorization")) else {
            return ("unknown", EdgeError.unauthorized.response)
        }
        switch Self.operatorRoutes.match(request.method, request.path.dropFirst("/admin/v1".count)) {
        case .none: return ("unknown", EdgeError.notFound.response)
        case .otherMethods(let methods): return ("unknown", EdgeError.methodNotAllowed(methods).response)
        case .route(let route, let parameters):
            do throws(EdgeError) {
                let target = CallTarget(deadline: request.deadline, requestID: route.isMutating ? id : nil)
                let response = try await carryOut(route, parameters, request, target)
                return (route.operation, response)
            } catch {
                return (route.operation, error.response)
            }
        }
    }

    private func carryOut(
        _ route: Route, _ parameters: [String: String], _ request: EdgeRequest, _ target: CallTarget
    ) async throws(EdgeError) -> EdgeResponse {
        let view = service.view
        switch route.operation {
        case "admin_get_cluster": return answer(cluster())
        case "admin_list_nodes":
            let rows = view.rows
            let nodes = view.nodes.sorted { $0.id < $1.id }
            let disks = await service.operators.control?.disks() ?? [:]
            return answer(["nodes": nodes.map { AdminAnswers.Node($0, rows: rows, disk: disks[$0.id]) }])
        case "admin_list_shards":
            let primary = QueryString.parse(request.query)?.first { $0.name == "primary" }?.value
            let rows = view.rows.sorted { $0.slot < $1.slot }
                .filter { primary == nil || $0.primary.rawValue == primary }
            return answer(["shards": rows.map(AdminAnswers.Shard.init)])
        case "admin_get_entity":
            guard let text = parameters["entity_id"], let id = Snowflake(text) else {
                throw .notSnowflake("entity_id", parameters["entity_id"] ?? "")
            }
            guard let row = view.row(id.slot) else { throw .notFound }
            return answer(AdminAnswers.Entity(id, row, view.node(row.primary)))
        case "admin_create_user", "admin_create_bot": return try await create(route, request, target)
        case "admin_add_bot": return try await addBot(parameters, request, target)
        case "admin_verify": return try await verify(request)
        case "admin_backup_step": return try await backupStep(request)
        case "admin_set_clock": return try await setClock(request)
        case "admin_get_log_level":
            return answer(AdminAnswers.Level(level: service.operators.logLevel().rawValue))
        case "admin_set_log_level":
            let body: AdminAnswers.Level = try JSON.decode(request.body)
            guard let level = Logger.Level(rawValue: body.level) else {
                throw .invalidForm("level", code: "BASE_TYPE_CHOICES", "There is no such level")
            }
            service.operators.setLogLevel(level)
            return answer(body)
        default: return try await control(route, parameters, request)
        }
    }

    func answer(_ value: some Encodable) -> EdgeResponse {
        EdgeResponse(status: .ok, body: JSON.encode(value))
    }

    private func cluster() -> AdminAnswers.Cluster {
        let readiness = ClusterReadiness(view: service.view)
        let waitingFor = readiness.waitingFor
        let record = service.operators.cluster
        var nodes: [String: Int] = [:]
        for (role, count) in readiness.nodesByRole { nodes[role.description] = count }
        return AdminAnswers.Cluster(
            clusterId: record.id.rawValue, isTest: record.isTest, dataFormat: UInt64(record.dataFormat),
            version: service.operators.version, isReady: waitingFor.isEmpty,
            waitingFor: waitingFor.isEmpty ? nil : waitingFor,
            slots: .init(
                total: Int(Slot.count), assigned: readiness.assigned,
                primaryRegistered: readiness.primaryRegistered, underReplicated: readiness.underReplicated),
            nodes: nodes, clockOffsetMs: service.clock.offset.milliseconds,
            now: service.clock.now().description)
    }

    private struct BotOwner: Decodable { var ownerId: UserID? }

    private func create(
        _ route: Route, _ request: EdgeRequest, _ target: CallTarget
    ) async throws(EdgeError) -> EdgeResponse {
        var call = RestRequest(operation: route.operation, body: request.body, isOperator: true)
        if route.operation == "admin_create_bot" {
            let body: BotOwner = try JSON.decode(request.body)
            if let owner = body.ownerId {
                guard let profile = try await profile(of: owner, target) else {
                    throw .invalidForm("owner_id", code: "UNKNOWN_USER", "There is no such user")
                }
                call.subject = profile
            }
        }
        return try await ask(try newSlot(), call, target)
    }

    private func addBot(
        _ parameters: [String: String], _ request: EdgeRequest, _ target: CallTarget
    ) async throws(EdgeError) -> EdgeResponse {
        let (guildText, botText) = (parameters["guild_id"] ?? "", parameters["bot_id"] ?? "")
        guard let guild = GuildID(guildText) else { throw .notSnowflake("guild_id", guildText) }
        guard let bot = UserID(botText) else { throw .notSnowflake("bot_id", botText) }
        guard let profile = try await profile(of: bot, target), profile.isBot else { throw .unknownApplication }
        let call = RestRequest(
            operation: "admin_add_bot", parameters: parameters, body: request.body, subject: profile,
            isOperator: true)
        return try await ask(guild.slot, call, target)
    }

    /// Ten years: history is made over months, and ids stay in their range.
    private static let maximumOffset: Int64 = 10 * 366 * 86_400_000

    private func setClock(_ request: EdgeRequest) async throws(EdgeError) -> EdgeResponse {
        guard service.operators.cluster.isTest else {
            throw EdgeError(.forbidden, "The clock is moved only in a cluster created for tests")
        }
        let body: AdminAnswers.Clock = try JSON.decode(request.body)
        guard (-Self.maximumOffset...Self.maximumOffset).contains(body.offsetMs) else {
            throw .invalidForm("offset_ms", code: "NUMBER_TYPE_MAX", "At most ten years either way")
        }
        do {
            try await service.operators.moveClock(.milliseconds(body.offsetMs))
        } catch {
            service.logger.warning("the clock was not moved", metadata: ["error": "\(error)"])
            throw .unavailable
        }
        let now =
            service.clock.now() + .milliseconds(body.offsetMs) + .milliseconds(-service.clock.offset.milliseconds)
        return answer(AdminAnswers.Clock(offsetMs: body.offsetMs, now: now.description))
    }
}
