import ArgumentParser
import Coordination
import EtcdCoordination
import Foundation
import NIOCore
import NIOPosix
import Operations
import Routing

struct CoordinatorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coordinator",
        abstract: "Inspects the coordinator, moves a cluster to etcd, and recovers from a loss.",
        subcommands: [
            CoordinatorStatus.self, CoordinatorMigrate.self, CoordinatorRestoreRecord.self, CoordinatorRebuild.self,
        ])

    /// Closes what `body` was given, however it ends.
    static func withEtcd<Value>(
        _ settings: EtcdSettings, _ body: (EtcdCoordinator) async throws -> Value
    ) async throws -> Value {
        let coordinator = try EtcdCoordinator(settings, group: MultiThreadedEventLoopGroup.singleton)
        do {
            let value = try await body(coordinator)
            await coordinator.close()
            return value
        } catch {
            await coordinator.close()
            throw error
        }
    }

    /// Runs `body`, and says in one line what went wrong.
    static func run(_ body: () async throws -> Void) async throws {
        do { try await body() } catch let code as ExitCode { throw code } catch let failure as CoordinatorFailure {
            Console.note("guildctl: \(ClusterFailure.coordinator(failure))")
            throw ExitStatus.failed
        } catch {
            Console.note("guildctl: \(error)")
            throw ExitStatus.failed
        }
    }
}

/// Which coordinator a command is about: what the configuration file of one of the cluster's processes says.
struct CoordinatorOptions: ParsableArguments {
    @Option(help: "The configuration file of a router. (default: that of router-1 in the data folder)")
    var config: String?

    @Option(help: "The data folder of a cluster that 'cluster up' runs.")
    var data = "data"

    func read() async throws -> (CoordinatorSettings, data: String?) {
        let file = config ?? DataFolder(path: data).configuration(of: "router-1")
        return try CoordinatorSettings.read(from: try await SettingsSource(file: file, environment: [:]))
    }
}

struct CoordinatorStatus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Shows the coordinator's members and what they hold.",
        discussion: "Exits with 3 when the coordinator does not answer.")

    @OptionGroup var options: CoordinatorOptions

    func run() async throws {
        try await CoordinatorCommand.run {
            let (settings, data) = try await options.read()
            switch settings {
            case .embedded(let address):
                let place =
                    address.map { "served by the router at \($0)" } ?? "served by this router, kept in \(data ?? "?")"
                Console.result(
                    "embedded: \(place)\n'guildctl cluster status' shows whether it answers; it is for one machine.")
            case .etcd(let etcd):
                try await CoordinatorCommand.withEtcd(EtcdSettings(etcd)) { try await show($0, prefix: etcd.prefix) }
            }
        }
    }

    private func show(_ etcd: EtcdCoordinator, prefix: String) async throws {
        var table = Table(["ENDPOINT", "STATE", "VERSION", "REVISION", "DATABASE", "IN USE"])
        let status: EtcdStatus
        do { status = try await etcd.status() } catch {
            Console.note("guildctl: \(ClusterFailure.coordinator(error))")
            throw ExitStatus.unreachable
        }
        for member in status.members {
            switch member.answer {
            case .success(let answer):
                table.add([
                    "\(member.endpoint)", answer.isLeader ? "leader" : answer.hasLeader ? "follower" : "no leader",
                    answer.version, "\(answer.revision)", CoordinatorStatus.mebibytes(answer.databaseBytes),
                    CoordinatorStatus.mebibytes(answer.bytesInUse),
                ])
            case .failure(let failure):
                table.add(["\(member.endpoint)", "\(ClusterFailure.coordinator(failure))", "-", "-", "-", "-"])
            }
        }
        Console.result(table.text)
        for alarm in status.alarms { Console.result("ALARM: \(alarm)") }
        let listing: CoordinatorListing
        do { listing = try await etcd.list(prefix: "") } catch {
            Console.note("guildctl: \(ClusterFailure.coordinator(error))")
            throw ExitStatus.unreachable
        }
        let record = try await ClusterRecord.find(in: etcd)
        let slots = listing.entries.count { $0.key.hasPrefix(CoordinatorKey.slots) }
        let nodes = listing.entries.count { $0.key.hasPrefix(CoordinatorKey.nodes) }
        Console.result(
            record.map { "cluster \($0.id) under \(prefix): \(slots) slots, \(nodes) processes" }
                ?? "no cluster under \(prefix)")
    }

    private static func mebibytes(_ bytes: UInt64) -> String { String(format: "%.1f MiB", Double(bytes) / 1_048_576) }
}

struct CoordinatorMigrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate", abstract: "Moves a stopped cluster from its embedded coordinator to etcd.",
        discussion: """
            Stop the cluster first: the command takes the lock of the embedded coordinator's folder. It copies the \
            cluster's record, the shard map and the settings, but nothing that hangs on a lease, and refuses an etcd \
            that holds another cluster under the prefix. From its first change on no process starts with the old \
            coordinator. Cut short, run it again.
            """)

    @OptionGroup var options: CoordinatorOptions

    @Option(
        help: """
            A configuration file with the coordinator.* settings of etcd; or etcd:URL[,URL...] where neither TLS \
            files nor a user are needed.
            """)
    var to: String

    func run() async throws {
        try await CoordinatorCommand.run {
            let (settings, data) = try await options.read()
            guard case .embedded(nil) = settings, let data else {
                throw ValidationError("the configuration is not of a router that keeps the embedded coordinator")
            }
            // A folder that is not there would be made, and found empty.
            guard FileManager.default.fileExists(atPath: data) else {
                throw ValidationError("there is no embedded coordinator in \(data)")
            }
            let etcd = try await destination()
            let source = try EmbeddedCoordinator(directory: data)
            let place = "etcd at \(etcd.endpoints.joined(separator: ",")) under \(etcd.prefix)"
            let report = try await CoordinatorCommand.withEtcd(EtcdSettings(etcd)) {
                try await CoordinatorMigration(from: source, to: $0, place: place).run()
            }
            await source.close()
            Console.result(
                """
                cluster \(report.cluster): \(report.keys) keys stand in \(place)\(report.wasDone ? " already" : "")
                Now change the settings of every process: take cluster.coordinator out, and set
                  coordinator.kind: etcd
                  coordinator.endpoints: \(etcd.endpoints.joined(separator: ","))
                  coordinator.prefix: \(etcd.prefix)
                (with 'guildctl cluster up' or scripts/run: --coordinator etcd:\(etcd.endpoints.joined(separator: ",")))
                """)
        }
    }

    private func destination() async throws -> CoordinatorSettings.Etcd {
        let source: SettingsSource
        if to.hasPrefix("etcd:") {
            source = try await SettingsSource(
                file: nil, environment: [:],
                overrides: ["coordinator.kind=etcd", "coordinator.endpoints=\(to.dropFirst(5))"])
        } else {
            source = try await SettingsSource(file: to, environment: [:])
        }
        guard case .etcd(let etcd) = try CoordinatorSettings.read(from: source).0 else {
            throw ValidationError("\(to) does not set coordinator.kind to etcd")
        }
        return etcd
    }
}
