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
    var coordinator = PlannedCoordinator.embedded

    var url: String { "http://127.0.0.1:\(clientPort)" }

    /// In the order of starting: the one with the coordinator first.
    func processes() throws -> [ProcessPlan] {
        try etcd() + [process(.router, 1)] + (1...guildNodes).map { try process(.guild, $0) }
            + (1...gatewayNodes).map { try process(.gateway, $0) }
    }

    private func etcd() -> [ProcessPlan] {
        guard let settings = coordinator.etcd(in: folder) else { return [] }
        let file = folder.configuration(of: "etcd")
        return [
            ProcessPlan(
                name: "etcd", role: .etcd,
                program: .init(
                    executable: PlannedCoordinator.etcdProgram, arguments: ["--config-file", file],
                    log: folder.log(of: "etcd")),
                pidFile: folder.pidFile(of: "etcd"), configurationFile: file,
                configuration: text(of: settings)
                    + "# etcd leaves it off when it has a configuration file.\nenable-grpc-gateway: true\n")
        ]
    }

    private func process(_ role: ProcessPlan.Role, _ number: Int) throws -> ProcessPlan {
        let name = "\(role.rawValue)-\(number)"
        let file = folder.configuration(of: name)
        let executable = role == .router ? "guildhall-router" : "guildhall-node"
        return ProcessPlan(
            name: name, role: role,
            program: .init(
                executable: "\(programs)/\(executable)", arguments: ["--config", file], log: folder.log(of: name)),
            pidFile: folder.pidFile(of: name), configurationFile: file, configuration: try configuration(of: name, role)
        )
    }

    /// YAML. Every value is a JSON string, which is YAML's as well, so that no path or name is taken for another type.
    private func configuration(of name: String, _ role: ProcessPlan.Role) throws -> String {
        var settings = [
            ("node.id", name), ("data", folder.store(of: name)), ("log.level", logLevel),
            ("listen.host", "127.0.0.1"), ("health.host", "127.0.0.1"), ("health.port", "0"),
        ]
        switch role {
        case .etcd: break
        case .router:
            settings += [
                ("listen.port", "\(coordinatorPort)"), ("http.host", "127.0.0.1"), ("http.port", "\(clientPort)"),
                ("admin.token-file", folder.adminTokenFile), ("cluster.test-clock", "\(isTestCluster)"),
                ("cluster.expected-guild-nodes", "\(guildNodes)"),
            ]
        case .guild, .gateway:
            settings += [
                ("node.roles", role.rawValue), ("listen.port", "0"),
            ]
            if role == .gateway {
                settings += [
                    ("gateway.host", "127.0.0.1"), ("gateway.port", "0"),
                    ("gateway.socket", try folder.socket(of: name)),
                ]
            }
        }
        settings += coordinator.settings(ofRouter: role == .router, embeddedPort: coordinatorPort)
        return text(of: settings)
    }

    private func text(of settings: [(String, String)]) -> String {
        let lines = settings.map { "\($0): \(quoted($1))" }
        return "# Written by `guildctl cluster up` at each start; changes here are lost.\n"
            + lines.joined(separator: "\n") + "\n"
    }

    private func quoted(_ text: String) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        guard let bytes = try? encoder.encode(text) else { preconditionFailure("a string is always encodable") }
        return String(decoding: bytes, as: UTF8.self)
    }
}
