import ArgumentParser
import Coordination
import EtcdCoordination
import Foundation
import Operations
import Routing

struct CoordinatorRebuild: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rebuild", abstract: "Makes the shard map anew from the guild nodes' disks.",
        discussion: """
            For when the coordinator's data is lost, or was restored from an old backup. All guild nodes should run. \
            Where the cluster's record is lost too, 'coordinator restore-record' comes first. It is refused, with exit \
            code 2, while acknowledged writes may lie on nodes that have not answered.
            """)

    @Flag(help: "Only show what would be done.") var plan = false
    @Flag(help: "Rebuild also what may then lack acknowledged writes, from what is there.") var acceptLoss = false
    @OptionGroup var confirmation: Confirmation
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.run { client in
            let found = try await client.planRebuild()
            if plan {
                if connection.json {
                    try Console.json(found)
                } else {
                    Console.result(CoordinatorRebuild.text(of: found))
                }
                guard found.doubts.isEmpty else { throw ExitStatus.refused }
                guard !found.answered.isEmpty else {
                    Console.note("guildctl: no guild node has answered: start them")
                    throw ExitStatus.refused
                }
                return
            }
            Console.note(CoordinatorRebuild.text(of: found))
            guard found.doubts.isEmpty || acceptLoss else {
                Console.note("guildctl: not done: start what is missing, or accept the loss with --accept-loss")
                throw ExitStatus.refused
            }
            let warning =
                found.doubts.isEmpty ? "" : " Acknowledged writes of \(found.doubts.count) slots may be lost."
            try confirmation.ask("Write \(found.rebuilt + found.doubts.count) rows of the shard map?\(warning)")
            let done = try await client.rebuild(acceptLoss: acceptLoss)
            if connection.json {
                try Console.json(done)
            } else {
                Console.result(
                    "\(done.rebuilt + done.doubts.count) rows are written; set the cluster's settings, drained and "
                        + "removed nodes again where they were not the usual ones")
            }
        }
    }

    static func text(of plan: RebuildAnswer) -> String {
        func list(_ nodes: [RebuildAnswer.Node]) -> String {
            nodes.isEmpty ? "-" : nodes.map { "\($0.id) (\($0.slots) slots)" }.joined(separator: ", ")
        }
        var lines = [
            "answered  \(list(plan.answered))",
            "missing   \(list(plan.missing))",
            "rows      \(plan.rebuilt) from the disks, \(plan.kept) as they are, \(plan.doubts.count) in doubt",
        ]
        for doubt in plan.doubts.prefix(8) {
            lines.append(
                "          slot \(doubt.slot): \(doubt.reason); with the loss accepted led by \(doubt.primary)")
        }
        if plan.doubts.count > 8 { lines.append("          and \(plan.doubts.count - 8) more") }
        return lines.joined(separator: "\n")
    }
}

struct CoordinatorRestoreRecord: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore-record", abstract: "Puts the cluster's record into a coordinator that lost its data.",
        discussion: """
            The record (the cluster's id, and the secret that tokens are signed with) comes from the copy that every \
            guild node keeps beside its data. Stop the routers first: the command takes the lock of the embedded \
            coordinator's folder. Then start everything, and run 'coordinator rebuild'.
            """)

    @OptionGroup var options: CoordinatorOptions

    @Option(help: "A guild node's folder, the one with the file CLUSTER. (default: found in the data folder)")
    var from: String?

    func run() async throws {
        try await CoordinatorCommand.run {
            let (settings, data) = try await options.read()
            let record = try record()
            let outcome: RecordRestoration.Outcome
            switch settings {
            case .etcd(let etcd):
                outcome = try await CoordinatorCommand.withEtcd(EtcdSettings(etcd)) {
                    try await RecordRestoration(coordinator: $0).run(record)
                }
            case .embedded(nil):
                guard let data else { throw ValidationError("the configuration names no folder of a coordinator") }
                try FileManager.default.createDirectory(
                    atPath: data, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
                let embedded = try EmbeddedCoordinator(directory: data)
                outcome = try await RecordRestoration(coordinator: embedded).run(record)
                await embedded.close()
            case .embedded:
                throw ValidationError("the configuration is not of a router that keeps the embedded coordinator")
            }
            switch outcome {
            case .restored: Console.result("the record of cluster \(record.id) is restored")
            case .replaced(let other):
                Console.result(
                    "the record of cluster \(record.id) stands in place of that of \(other), which was empty")
            case .wasThere: Console.result("the record of cluster \(record.id) was there")
            }
            Console.result("Now start the cluster, and run 'guildctl coordinator rebuild --plan'")
        }
    }

    private func record() throws -> ClusterRecord {
        if let from {
            guard let record = try ClusterRecordCopy(folder: from).read() else {
                throw ValidationError("there is no file \(ClusterRecordCopy.fileName) in \(from)")
            }
            return record
        }
        let folder = DataFolder(path: options.data)
        let found = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().compactMap {
            try ClusterRecordCopy(folder: folder.store(of: $0) + "/guild").read()
        }
        guard let record = found.first else {
            throw ValidationError("no guild node's data in \(folder.path) has the file \(ClusterRecordCopy.fileName)")
        }
        guard found.allSatisfy({ $0.id == record.id }) else {
            throw ValidationError("the nodes' data are of several clusters: name one with --from")
        }
        return record
    }
}
