import ArgumentParser

struct ClusterStatus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Says whether the cluster serves, and which processes it has.",
        discussion: "Exits with 4 when the cluster answers but is not ready.")

    private struct Status: Encodable {
        var cluster: ClusterAnswer
        var nodes: [NodesAnswer.Node]
    }

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.run { client in
            let cluster = try await client.cluster()
            let nodes = try await client.nodes()
            if connection.json {
                try Console.json(Status(cluster: cluster, nodes: nodes))
            } else {
                Console.result(ClusterStatus.text(of: cluster, at: client.endpoint))
                Console.result("")
                Console.result(NodeList.table(of: nodes))
            }
            guard cluster.isReady else { throw ExitStatus.notReady }
        }
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
