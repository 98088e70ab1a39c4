/// One process of a cluster on this machine: what is started, and with which configuration.
struct ProcessPlan: Sendable {
    enum Role: String, Sendable, CaseIterable {
        case etcd, router, guild, gateway
    }

    let name: String
    let role: Role
    let program: ProcessLauncher.Program
    let pidFile: String
    /// The file that ``program`` is pointed to, and its text.
    let configurationFile: String
    let configuration: String
}
