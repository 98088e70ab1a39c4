import Foundation
import Glibc

/// Restarts the processes of a running cluster one after the other, so that it serves all the time.
struct RollingRestart {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    struct Restarted: Codable, Sendable {
        var name: String
        var oldPid: Int32
        var newPid: Int32
        var version: String
    }

    /// A router that restarts answers nobody for a while.
    private static let pause = Duration.milliseconds(250)

    let client: AdminClient
    /// Processes that a supervisor on this machine starts again, by name; their pids change.
    let supervised: Set<String>
    let limit: Duration
    let note: (String) -> Void

    func run(_ nodes: [NodesAnswer.Node]) async throws -> [Restarted] {
        var restarted: [Restarted] = []
        for node in nodes.sorted(by: { (RollingRestart.rank($0), $0.id) < (RollingRestart.rank($1), $1.id) }) {
            try await waitUntilWhole("before \(node.id) is restarted")
            let led = node.roles.contains("guild") ? try await client.shards(primary: node.id) : []
            let new = try await restart(node)
            try await waitUntilWhole("after \(node.id) was restarted")
            try await giveBack(led, to: node.id)
            note("\(node.id): pid \(node.pid) -> \(new.pid), version \(new.version)")
            restarted.append(Restarted(name: node.id, oldPid: node.pid, newPid: new.pid, version: new.version))
        }
        return restarted
    }

    /// Gateways, guild nodes, routers: who is asked comes after who asks.
    private static func rank(_ node: NodesAnswer.Node) -> Int {
        node.roles.contains("router") ? 2 : node.roles.contains("guild") ? 1 : 0
    }

    private func restart(_ node: NodesAnswer.Node) async throws -> NodesAnswer.Node {
        if supervised.contains(node.id) {
            note("\(node.id): ending pid \(node.pid)")
            guard kill(node.pid, SIGTERM) == 0 else {
                throw Failure(
                    description: "\(node.id) (pid \(node.pid)) cannot be ended: \(String(cString: strerror(errno)))")
            }
        } else {
            note("\(node.id) on \(node.host): restart it now (systemctl restart, or as you run it); waiting for it")
        }
        return try await wait("\(node.id) to come back") {
            let found = try await client.nodes().first { $0.id == node.id && $0.roles == node.roles }
            guard let found, found.startedAt != node.startedAt, !found.isDraining else { return nil }
            return await HealthProbe(host: found.host, port: found.healthPort).isReady() ? found : nil
        }
    }

    private func waitUntilWhole(_ when: String) async throws {
        let _: Bool = try await wait("all slots to have their copies \(when)") {
            guard try await client.cluster().isReady, try await client.replication().isWhole else { return nil }
            return true
        }
    }

    /// The slots that the node led before, which others lead now.
    private func giveBack(_ led: [ShardsAnswer.Shard], to node: String) async throws {
        let now = try await client.shards(primary: nil)
        let moves = led.compactMap { old -> RebalanceRequest.Move? in
            guard let row = now.first(where: { $0.slot == old.slot }), row.primary != node, row.inSync.contains(node)
            else { return nil }
            return .init(slot: old.slot, to: [node] + row.inSync.filter { $0 != node })
        }
        guard !moves.isEmpty else { return }
        _ = try await client.start(RebalanceRequest(concurrency: 64, moves: moves))
        let _: Bool = try await wait("\(moves.count) slots to go back to \(node)") {
            try await client.job()?.isOver == true ? true : nil
        }
    }

    private func wait<Value>(_ what: String, _ look: () async throws -> Value?) async throws -> Value {
        let deadline = ContinuousClock.now.advanced(by: limit)
        var last = "not yet"
        while ContinuousClock.now < deadline {
            do {
                if let value = try await look() { return value }
                last = "not yet"
            } catch let failure as AdminFailure {
                // No answer, or 503: a router restarts, or the coordinator does.
                if case .refused(let status, _) = failure, status != 503, status != 504 { throw failure }
                last = "\(failure)"
            }
            try await Task.sleep(for: RollingRestart.pause)
        }
        throw Failure(description: "waited \(limit.components.seconds) s for \(what): \(last)")
    }
}
