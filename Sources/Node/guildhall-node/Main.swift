import ArgumentParser
import Foundation
import Identity
import Operations

/// A node of a cluster: serves guilds, gateways' clients, or both, as its roles say.
@main
struct GuildhallNode: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "guildhall-node", abstract: "Serves slots and clients' sessions of a Guildhall cluster.",
        version: ProgramVersion.text)

    @Option(name: .long, help: "The configuration file, YAML.")
    var config: String?

    @Option(name: .customLong("set"), help: "A setting, as in node.id=guild-1; wins over environment and file.")
    var overrides: [String] = []

    @Option(name: .long, help: "The node's roles, as in guild,gateway; wins over every other place.")
    var role: String?

    @Option(name: .long, help: "The newest version of the inter-node protocol to speak; wins over every other place.")
    var protocolMax: String?

    @Flag(name: .long, help: "Say whether the configuration is valid, and exit.")
    var checkConfig = false

    func run() async throws {
        let overrides =
            overrides + (role.map { ["node.roles=\($0)"] } ?? [])
            + (protocolMax.map { ["transport.protocol-max=\($0)"] } ?? [])
        if checkConfig {
            let check = await ConfigurationCheck.node(file: config, overrides: overrides)
            print(check.text)
            throw ExitCode(check.exitCode)
        }
        let settings: NodeSettings
        do {
            settings = try NodeSettings(from: try await SettingsSource(file: config, overrides: overrides))
        } catch {
            say("\(error)")
            throw ExitCode(78)
        }
        let process = NodeProcess(settings: settings)
        do {
            try await process.run()
        } catch {
            process.telemetry.sink.flush()
            say("guildhall-node cannot start: \(error)")
            throw ExitCode.failure
        }
    }

    private func say(_ text: String) {
        // The exit code says it too, where nobody reads this.
        try? FileHandle.standardError.write(contentsOf: Data("\(text)\n".utf8))
    }
}
