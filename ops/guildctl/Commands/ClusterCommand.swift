import ArgumentParser

struct ClusterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster", abstract: "Starts, stops and inspects a whole cluster.",
        subcommands: [
            ClusterUp.self, ClusterDown.self, ClusterStatus.self, ClusterSettingsCommand.self, ClusterAudit.self,
            ClusterClock.self,
        ],
        defaultSubcommand: ClusterStatus.self)
}
