import ArgumentParser

struct ClusterStatus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Says whether the cluster serves, and which processes it has.",
        discussion: "Exits with 4 when the cluster answers but is not ready.")

    private struct Status: Encodable {
        var cluster: ClusterAnswer
        var nodes: [NodesAnswer.Node]
        var replication: ReplicationAnswer
    }

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.run { client in
            let cluster = try await client.cluster()
            let nodes = try await client.nodes()
            let replication = try await client.replication()
            if connection.json {
                try Console.json(Status(cluster: cluster, nodes: nodes, replication: replication))
            } else {
                Console.result(ClusterStatus.text(of: cluster, at: client.endpoint))
                Console.result(ClusterStatus.text(of: replication))
                Console.result("")
                Console.result(NodeList.table(of: nodes))
            }
            guard cluster.isReady else { throw ExitStatus.notReady }
        }
    }

    static func text(of replication: ReplicationAnswer) -> String {
        var lines = [
            "copies   \(replication.replicationFactor), writes need \(replication.minimum); \(replication.survives)"
        ]
        if !replication.belowMinimum.isEmpty {
            let first = replication.belowMinimum.prefix(8).map(String.init).joined(separator: ", ")
            lines.append("         \(replication.belowMinimum.count) slots take no writes: too few copies (\(first)…)")
        }
        if replication.belowReplicationFactor > 0 || replication.learners > 0 {
            lines.append(
                "         \(replication.belowReplicationFactor) slots lack copies, \(replication.learners) copies catch up"
            )
        }
        if let full = replication.diskFull, !full.isEmpty {
            lines.append(
                "         disk nearly full: \(full.joined(separator: ", ")) takes no writes and no copies: free space")
        }
        if replication.moving > 0 { lines.append("         \(replication.moving) slots are on their way") }
        if let job = replication.rebalance, !job.isOver {
            lines.append("         rebalance \(job.state), \(job.moves - job.left) of \(job.moves) slots")
        }
        for (name, nodes) in [("draining", replication.draining), ("removed", replication.removed)] where !nodes.isEmpty
        {
            lines.append("         \(name): \(nodes.joined(separator: ", "))")
        }
        lines.append(
            "control  \(replication.controller ?? "no router controls the cluster yet"); the coordinator answered in "
                + "\(Quantity.decimal(replication.coordinatorLatencyMs)) ms")
        return lines.joined(separator: "\n")
    }

    static func text(of cluster: ClusterAnswer, at endpoint: String) -> String {
        var lines = [
            "cluster  \(cluster.clusterId)\(cluster.isTest ? "  (for tests)" : "")",
            "address  \(endpoint)",
            "version  \(cluster.version), data format \(cluster.dataFormat)",
            "slots    \(cluster.slots.assigned) of \(cluster.slots.total) assigned, "
                + "\(cluster.slots.primaryRegistered) served, \(cluster.slots.underReplicated) under-replicated",
        ]
        if cluster.clockOffsetMs != 0 {
            lines.append("clock    moved by \(cluster.clockOffsetMs) ms, now \(cluster.now)")
        }
        let waiting = (cluster.waitingFor ?? []).joined(separator: "; ")
        lines.append(
            "ready    " + (cluster.isReady ? "yes" : "no\(waiting.isEmpty ? "" : ", waiting for: \(waiting)")"))
        return lines.joined(separator: "\n")
    }
}
