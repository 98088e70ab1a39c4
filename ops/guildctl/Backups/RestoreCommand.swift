import ArgumentParser
import Backup
import Foundation
import Identity
import ObjectStore
import Synchronization

struct RestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Loads a backup into an empty cluster, of whatever size.",
        discussion: """
            Start the cluster with `cluster up --without-accounts`, restore, and start all its processes anew: tokens \
            are then signed with the secret of the backed-up cluster, and people's tokens work on. Cut short, the same \
            command goes on. A cluster that holds anything else is refused.
            """)

    private struct Result: Encodable {
        var id: String
        var bytes: Int
        var lacking: [String]
        var restartRequired = true
    }

    @Option(help: "Where backups lie, as --location of `backup`. (default: $GUILDCTL_BACKUPS)")
    var from: String?

    @Option(help: "The backup's ID; `backup list` shows them.")
    var backup: String

    @Option(help: "A file with the keys of S3, as the AWS tools keep it.")
    var credentialsFile: String?

    @Option(help: "MiB a second that one node reads at most; 0: no bound.")
    var rate = 0

    @Option(help: "Slots under way at once.")
    var concurrency = 16

    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        guard (0...100_000).contains(rate) else { throw ValidationError("--rate is 0 to 100000 MiB a second") }
        guard (1...64).contains(concurrency) else { throw ValidationError("--concurrency is 1 to 64") }
    }

    func run() async throws {
        var place = BackupPlace()
        place.location = from
        place.credentialsFile = credentialsFile
        let catalog = try place.catalog()
        let location = try place.resolve()
        let id = try BackupPlace.id(backup)
        try await connection.run { client in
            try await BackupPlace.run {
                let manifest = try await catalog.manifest(id)
                let cluster = try await client.cluster()
                guard cluster.dataFormat >= manifest.dataFormat else {
                    throw BackupFailure.invalid(
                        "the backup has data format \(manifest.dataFormat), and the cluster has \(cluster.dataFormat)")
                }
                guard manifest.slots.count == Int(Slot.count) else {
                    throw BackupFailure.damaged(object: id.text, reason: "it has \(manifest.slots.count) slots")
                }
                let result = try await carryOut(manifest, location, client)
                if connection.json { return try Console.json(result) }
                for line in result.lacking { Console.result(line) }
                Console.result(
                    "restored \(id). Now start all processes of the cluster anew: until then tokens of the backup are "
                        + "not accepted.")
            }
        }
    }

    private func carryOut(
        _ manifest: BackupManifest, _ location: ObjectLocation, _ client: AdminClient
    ) async throws -> Result {
        let steps = SlotSteps(
            client: client, location: location.text, backup: manifest.id.text, bytesPerSecond: rate << 20,
            concurrency: concurrency)
        let bytes = Mutex(0)
        let lacking = Mutex<[String]>([])
        try await steps.run("check", title: "check  ") { _, _ in }
        try await steps.run("load", title: "load   ") { _, answer in bytes.withLock { $0 += answer.bytes } }
        // Effects on a slot come after the slot.
        try await steps.run("finish", title: "finish ") { _, answer in
            if !answer.detail.isEmpty { lacking.withLock { $0.append(answer.detail) } }
        }
        _ = try await steps.one("adopt", Slot(truncating: 0), checksum: manifest.recordSha256)
        return Result(
            id: manifest.id.text, bytes: bytes.withLock { $0 }, lacking: lacking.withLock { $0 })
    }
}
