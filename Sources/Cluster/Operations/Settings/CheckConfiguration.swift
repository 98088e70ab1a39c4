/// What `--check-config` prints and exits with.
public struct ConfigurationCheck: Hashable, Sendable {
    public var isValid: Bool
    public var text: String

    /// 0 when valid; 78 (`EX_CONFIG` of sysexits.h) when not.
    public var exitCode: Int32 { isValid ? 0 : 78 }

    /// Checks what a node would start with.
    public static func node(file: String?, overrides: [String]) async -> ConfigurationCheck {
        await check { () async throws(SettingsFailure) in
            let settings = try NodeSettings(from: try await SettingsSource(file: file, overrides: overrides))
            let roles = settings.roles.map(\.rawValue).joined(separator: ",")
            return "node \(settings.process.nodeID) with roles \(roles), data in \(settings.process.data)"
        }
    }

    /// Checks what a router would start with.
    public static func router(file: String?, overrides: [String]) async -> ConfigurationCheck {
        await check { () async throws(SettingsFailure) in
            let settings = try RouterSettings(from: try await SettingsSource(file: file, overrides: overrides))
            let listen = settings.http.listen
            return
                "router \(settings.process.nodeID) at \(listen.host):\(listen.port), data in \(settings.process.data)"
        }
    }

    private static func check(
        _ load: () async throws(SettingsFailure) -> String
    ) async -> ConfigurationCheck {
        do {
            return ConfigurationCheck(isValid: true, text: "The configuration is valid: \(try await load())")
        } catch {
            return ConfigurationCheck(isValid: false, text: error.description)
        }
    }
}
