import ArgumentParser

struct NodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node", abstract: "Inspects, empties and removes the processes of the cluster.",
        subcommands: [NodeList.self, NodeDrain.self, NodeUndrain.self, NodeRemove.self],
        defaultSubcommand: NodeList.self)
}

struct NodeList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Lists the registered processes.")

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.run { client in
            let nodes = try await client.nodes()
            if connection.json { try Console.json(nodes) } else { Console.result(NodeList.table(of: nodes)) }
        }
    }

    static func table(of nodes: [NodesAnswer.Node]) -> String {
        var table = Table([
            "NODE", "ROLES", "ADDRESS", "HEALTH", "PID", "PRIMARY OF", "REPLICA OF", "DISK", "STARTED", "STATE",
        ])
        for node in nodes {
            table.add([
                node.id, node.roles.joined(separator: ","), "\(node.host):\(node.port)", String(node.healthPort),
                String(node.pid), node.roles.contains("guild") ? "\(node.primarySlots) slots" : "-",
                node.roles.contains("guild") ? "\(node.replicaSlots) slots" : "-", node.disk, node.startedAt,
                node.state,
            ])
        }
        return table.text
    }
}
