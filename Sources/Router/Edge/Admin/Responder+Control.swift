import Control
import Identity
import NIOCore
import NIOHTTP1
import Placement
import Routing

/// Operators' commands that change the cluster's shape.
extension Responder {
    func control(
        _ route: Route, _ parameters: [String: String], _ request: EdgeRequest
    ) async throws(EdgeError) -> EdgeResponse {
        guard let control = service.operators.control else { throw .notFound }
        do throws(ControlFailure) {
            return try await carryOut(route, parameters, request, control)
        } catch {
            throw EdgeError(error)
        }
    }

    private func carryOut(
        _ route: Route, _ parameters: [String: String], _ request: EdgeRequest, _ control: ClusterControl
    ) async throws(ControlFailure) -> EdgeResponse {
        let parameters = ControlParameters(path: parameters, query: request.query)
        switch route.operation {
        case "admin_get_replication": return answer(ControlAnswers.Replication(try await control.overview()))
        case "admin_get_settings": return answer(ControlAnswers.Settings(try await control.settings()))
        case "admin_update_settings":
            let change: ControlAnswers.SettingsChange = try decode(request.body)
            return answer(
                ControlAnswers.Settings(
                    try await control.changeSettings(
                        replicationFactor: change.replicationFactor, minimum: change.minimum,
                        repairDelay: change.repairAfterSeconds.map { .seconds($0) })))
        case "admin_list_audit": return answer(["lines": try await control.auditLines()])
        case "admin_finalize_upgrade":
            let (version, dataFormat) = try await control.finalize()
            return answer(ControlAnswers.Finalized(version: version, dataFormat: dataFormat))
        case "admin_get_top":
            let count = try parameters.number("count", 1...1024) ?? 20
            return answer(
                ControlAnswers.Top(
                    slots: await control.hottest(count).map { ControlAnswers.Hot($0.slot, $0.node, $0.rate) },
                    guilds: await control.hottestGuilds(count).map { ControlAnswers.HotGuild($0.load, $0.node) }))
        case "admin_drain_node": try await control.drain(try parameters.node())
        case "admin_undrain_node": try await control.undrain(try parameters.node())
        case "admin_remove_node": try await control.remove(try parameters.node())
        case "admin_plan_rebuild": return answer(RebuildAnswer(try await control.planRebuild()))
        case "admin_rebuild":
            let body: RebuildAnswer.Request = try decode(request.body)
            return answer(RebuildAnswer(try await control.rebuild(acceptLoss: body.acceptLoss)))
        default: return try await shard(route, parameters, request, control)
        }
        return EdgeResponse(status: .noContent)
    }

    private func shard(
        _ route: Route, _ parameters: ControlParameters, _ request: EdgeRequest, _ control: ClusterControl
    ) async throws(ControlFailure) -> EdgeResponse {
        switch route.operation {
        case "admin_get_shard":
            let slot = try parameters.slot()
            guard let row = service.view.row(slot) else { throw .unknown("the shard map has no row of slot \(slot)") }
            return answer(AdminAnswers.Shard(row))
        case "admin_move_shard":
            let destination: ControlAnswers.Destination = try decode(request.body)
            let row = try await control.move(
                try parameters.slot(), to: try ControlParameters.node(named: destination.node))
            return answer(AdminAnswers.Shard(row))
        case "admin_pin_shard", "admin_unpin_shard":
            let isPinned = route.operation == "admin_pin_shard"
            return answer(AdminAnswers.Shard(try await control.pin(try parameters.slot(), isPinned: isPinned)))
        case "admin_get_recovery":
            let node = try ControlParameters.node(named: parameters.text("node") ?? "")
            return answer(ControlAnswers.Recovery(try await control.recovery(try parameters.slot(), from: node)))
        case "admin_recover_shard":
            let body: ControlAnswers.RecoveryRequest = try decode(request.body)
            guard body.acceptLoss else { throw .invalid("accept_loss must be true") }
            let node = try ControlParameters.node(named: body.node)
            return answer(AdminAnswers.Shard(try await control.recover(try parameters.slot(), from: node)))
        default: return try await rebalance(route, parameters, request, control)
        }
    }

    private func rebalance(
        _ route: Route, _ parameters: ControlParameters, _ request: EdgeRequest, _ control: ClusterControl
    ) async throws(ControlFailure) -> EdgeResponse {
        switch route.operation {
        case "admin_get_rebalance":
            guard let job = try await control.job() else { throw .unknown("there has been no rebalance") }
            return answer(ControlAnswers.Job(job))
        case "admin_abort_rebalance": return answer(ControlAnswers.Job(try await control.abort()))
        case "admin_plan_rebalance":
            let wanted = try parameters.plan()
            let plan = try await control.plan(measure: wanted.measure, bound: wanted.bound)
            return answer(ControlAnswers.Plan(plan, wanted))
        case "admin_start_rebalance":
            let body: ControlAnswers.RebalanceRequest = try decode(request.body)
            let wanted = try ControlParameters.plan(body)
            if let explicit = body.moves {
                let moves = try explicit.map { (move) throws(ControlFailure) in try self.move(move) }
                return answer(
                    ControlAnswers.Job(
                        try await control.apply(
                            moves, concurrency: wanted.concurrency, bandwidth: wanted.bandwidth)))
            }
            let plan = try await control.plan(measure: wanted.measure, bound: wanted.bound)
            return answer(
                ControlAnswers.Job(
                    try await control.apply(
                        plan.moves, bytes: plan.bytes, concurrency: wanted.concurrency,
                        bandwidth: wanted.bandwidth)))
        default: throw .unknown("there is no such path")
        }
    }

    private func move(_ move: ControlAnswers.RebalanceRequest.Move) throws(ControlFailure) -> SlotMove {
        guard let slot = Slot(rawValue: move.slot), let row = service.view.row(slot), !move.to.isEmpty else {
            throw .invalid("there is no slot \(move.slot), or no node for it")
        }
        let nodes = try move.to.map { (name) throws(ControlFailure) in try ControlParameters.node(named: name) }
        guard Set(nodes).count == nodes.count else { throw .invalid("slot \(slot) is to have a node twice") }
        return SlotMove(slot: slot, from: row.holders, to: nodes)
    }

    private func decode<Value: Decodable>(_ body: ByteBuffer) throws(ControlFailure) -> Value {
        do { return try JSON.decode(body) } catch {
            throw .invalid(error.field.map { "\($0.name): \($0.message)" } ?? error.message)
        }
    }
}

extension EdgeError {
    init(_ failure: ControlFailure) {
        switch failure {
        case .unknown: self.init(.notFound, failure.description)
        case .conflict: self.init(.conflict, failure.description)
        case .invalid: self.init(.badRequest, failure.description)
        case .unavailable: self = EdgeError(.serviceUnavailable, failure.description).retry(after: 1)
        }
    }
}
