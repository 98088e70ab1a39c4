import ArgumentParser

struct UpgradeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "upgrade", abstract: "Restarts all processes one after the other, so that new programs run.",
        discussion: """
            Put the new programs in place first, then run this. Gateways come first, then guild nodes, then routers. Each \
            hands over what it serves, is ended with SIGTERM and started again by the supervisor of `cluster up`; where \
            that does not run (other machines), you are asked to restart it. The next one waits until it is ready and \
            every slot has all its copies. At the end the slots' primaries are where they were.
            Until `upgrade --finalize`, the processes write what the older version reads, so that the older programs may \
            be put back in the same way.
            """)

    @Flag(help: "Let the new version write what the old one cannot read: there is no way back.") var finalize = false
    @Option(help: "Only these processes, by name.") var only: [String] = []
    @Option(help: "Seconds that one process may take until it is back and the cluster is whole.") var limit = 300
    @OptionGroup var confirmation: Confirmation
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        guard (1...86_400).contains(limit) else { throw ValidationError("--limit is 1 to 86400 seconds") }
    }

    func run() async throws {
        try await connection.run { client in
            if finalize {
                try confirmation.ask("Finalize the upgrade? Older programs will not run any more.")
                let answer = try await client.finalize()
                if connection.json {
                    try Console.json(answer)
                } else {
                    Console.result("finalized: version \(answer.version), data format \(answer.dataFormat)")
                }
                return
            }
            let nodes = try await client.nodes().filter { only.isEmpty || only.contains($0.id) }
            if let unknown = only.first(where: { name in !nodes.contains { $0.id == name } }) {
                Console.note("guildctl: no process is named \(unknown)")
                throw ExitStatus.failed
            }
            try confirmation.ask("Restart \(nodes.count) processes, one after the other?")
            let upgrade = RollingRestart(
                client: client, supervised: connection.supervised(), limit: .seconds(limit),
                note: { Console.note($0) })
            do {
                let restarted = try await upgrade.run(nodes)
                if connection.json {
                    try Console.json(restarted)
                } else {
                    Console.result(
                        "restarted \(restarted.count) processes; `guildctl upgrade --finalize` ends the upgrade")
                }
            } catch let failure as RollingRestart.Failure {
                Console.note("guildctl: \(failure). The rest is as it was; run it again to go on.")
                throw ExitStatus.failed
            }
        }
    }
}
