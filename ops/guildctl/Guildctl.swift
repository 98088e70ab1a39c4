import ArgumentParser
import Identity

/// The operators' command line.
@main
struct Guildctl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "guildctl",
        abstract: "Runs, grows and inspects a Guildhall cluster.",
        discussion: """
            Commands that talk to a running cluster find it by --endpoint and --token-file, else by the file \
            cluster.json in the data folder (--data, else $GUILDCTL_DATA, else ./data).

            Exit codes: 0 done; 1 failed; 2 the cluster refused the request; 3 the cluster cannot be reached; \
            4 the cluster is not ready; 64 the command line is wrong.
            """,
        version: ProgramVersion.text,
        subcommands: [
            ClusterCommand.self, NodeCommand.self, ShardCommand.self, RebalanceCommand.self, TopCommand.self,
            UpgradeCommand.self, GuildCommand.self, UserCommand.self, BotCommand.self, BackupCommand.self,
            RestoreCommand.self, CoordinatorCommand.self, VerifyCommand.self,
        ])
}
