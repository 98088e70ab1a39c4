import ArgumentParser
import Edge
import Foundation
import Identity
import Operations

/// The edge of a cluster: HTTP for clients and operators, WebSockets handed to gateways; on a cluster of one machine it
/// also serves the coordinator.
@main
struct GuildhallRouter: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "guildhall-router", abstract: "Serves clients of a Guildhall cluster.",
        version: ProgramVersion.text)

    @Option(name: .long, help: "The configuration file, YAML.")
    var config: String?

    @Option(name: .customLong("set"), help: "A setting, as in http.port=8080; wins over environment and file.")
    var overrides: [String] = []

    @Option(name: .long, help: "The newest version of the inter-node protocol to speak; wins over every other place.")
    var protocolMax: String?

    @Flag(name: .long, help: "Say whether the configuration is valid, and exit.")
    var checkConfig = false

    func run() async throws {
        let overrides = overrides + (protocolMax.map { ["transport.protocol-max=\($0)"] } ?? [])
        if checkConfig {
            let check = await ConfigurationCheck.router(file: config, overrides: overrides)
            print(check.text)
            throw ExitCode(check.exitCode)
        }
        let settings: RouterSettings
        do {
            settings = try RouterSettings(from: try await SettingsSource(file: config, overrides: overrides))
        } catch {
            say("\(error)")
            throw ExitCode(78)
        }
        let process = RouterProcess(settings: settings)
        do {
            try await process.run()
        } catch {
            process.telemetry.sink.flush()
            say("guildhall-router cannot start: \(error)")
            throw ExitCode.failure
        }
    }

    private func say(_ text: String) {
        // The exit code says it too, where nobody reads this.
        try? FileHandle.standardError.write(contentsOf: Data("\(text)\n".utf8))
    }
}
