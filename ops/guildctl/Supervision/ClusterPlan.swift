import Foundation

/// The processes of a cluster on one machine, and their configuration files.
struct ClusterPlan: Sendable {
    var folder: DataFolder
    /// Where `guildhall-router` and `guildhall-node` lie.
    var programs: String
    var guildNodes: Int
    var gatewayNodes: Int
    /// The router's address for clients, and the port of the coordinator that it serves.
    var clientPort: Int
    var coordinatorPort: Int
    var isTestCluster: Bool
    var logLevel: String

    var url: String { "http://127.0.0.1:\(clientPort)" }

    /// In the order of starting: the router first, since it holds the coordinator.
    var processes: [ProcessPlan] {
        [process(.router, 1)] + (1...guildNodes).map { process(.guild, $0) }
            + (1...gatewayNodes).map { process(.gateway, $0) }
    }

    private func process(_ role: ProcessPlan.Role, _ number: Int) -> ProcessPlan {
        let name = "\(role.rawValue)-\(number)"
        let file = folder.configuration(of: name)
        let executable = role == .router ? "guildhall-router" : "guildhall-node"
        return ProcessPlan(
            name: name, role: role,
            program: .init(
                executable: "\(programs)/\(executable)", arguments: ["--config", file], log: folder.log(of: name)),
            pidFile: folder.pidFile(of: name), configurationFile: file, configuration: configuration(of: name, role))
    }

    /// YAML. JSON's strings are YAML's as well, so paths are quoted as JSON.
    private func configuration(of name: String, _ role: ProcessPlan.Role) -> String {
        var lines = [
            "# Written by `guildctl cluster up` at each start; changes here are lost.",
            "node-id: \(name)",
            "data: \(quoted(folder.store(of: name)))",
            "log-level: \(logLevel)",
            "health-port: 0",
        ]
        switch role {
        case .router:
            lines += [
                "client-host: 127.0.0.1",
                "client-port: \(clientPort)",
                "coordinator-listen: 127.0.0.1:\(coordinatorPort)",
                "admin-token-file: \(quoted(folder.adminTokenFile))",
                "test-cluster: \(isTestCluster)",
            ]
        case .guild, .gateway:
            lines += [
                "role: \(role.rawValue)",
                "coordinator: 127.0.0.1:\(coordinatorPort)",
                "host: 127.0.0.1",
                "port: 0",
            ]
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func quoted(_ text: String) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        guard let bytes = try? encoder.encode(text) else { preconditionFailure("a string is always encodable") }
        return String(decoding: bytes, as: UTF8.self)
    }
}
