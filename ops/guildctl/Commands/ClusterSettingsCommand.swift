import ArgumentParser

struct ClusterSettingsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "settings", abstract: "Shows or changes the cluster's replication.",
        discussion: "0 stands for automatic: one node 1 copy, two nodes 2 copies and a minimum of 2, from three on 3 "
            + "copies and a minimum of 2.")

    @Option(help: "Copies of each slot, 1 to 7, or 0.") var replicationFactor: Int?
    @Option(help: "Copies that a write must be on before it is acknowledged, or 0.") var minimum: Int?
    @Option(help: "Seconds after which a lost node is replaced; 0: never.") var repairAfter: Int?
    @OptionGroup var confirmation: Confirmation
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.run { client in
            guard replicationFactor != nil || minimum != nil || repairAfter != nil else {
                return try show(try await client.settings())
            }
            if minimum == 1 {
                Console.note("With a minimum of 1 a write is acknowledged when one disk has it: lost with that disk.")
                try confirmation.ask("Lower the minimum to 1?")
            }
            try show(
                try await client.change(
                    SettingsChange(
                        replicationFactor: replicationFactor, minimum: minimum, repairAfterSeconds: repairAfter)))
        }
    }

    private func show(_ settings: SettingsAnswer) throws {
        if connection.json { return try Console.json(settings) }
        func text(_ value: Int) -> String { value == 0 ? "automatic" : String(value) }
        Console.result(
            """
            replication factor  \(text(settings.replicationFactor))
            minimum             \(text(settings.minimum))
            repair after        \(settings.repairAfterSeconds == 0 ? "never" : "\(settings.repairAfterSeconds) s")
            """)
    }
}

struct ClusterAudit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "Lists the operators' commands that changed the cluster's shape.")

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.run { client in
            let lines = try await client.audit()
            if connection.json { try Console.json(lines) } else { lines.forEach(Console.result) }
        }
    }
}
