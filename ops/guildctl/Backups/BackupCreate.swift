import ArgumentParser
import Backup
import Foundation
import Identity
import ObjectStore
import Synchronization

struct BackupCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Backs the cluster up while it serves: each slot's primary sends its rows to the object store.",
        discussion: """
            Where an earlier backup of the same cluster is there, only what has happened since is sent, for each slot \
            whose log still reaches back to it. A backup that was cut short goes on with --resume. The backup holds \
            password hashes and the secret of tokens: whoever reads it can act as anyone.
            """)

    private struct Result: Encodable {
        var id: String
        var parent: String?
        var bytes: Int
        var incrementalSlots: Int
        /// Slots of which other slots may lack effects, after a restore.
        var unreconcilableSlots: Int
    }

    @OptionGroup var place: BackupPlace

    @Flag(help: "Send all rows, also where an earlier backup is there.")
    var full = false

    @Option(help: "Go on with an unfinished backup.")
    var resume: String?

    @Option(help: "MiB a second that one node sends at most; 0: no bound.")
    var rate = 64

    @Option(help: "Slots under way at once.")
    var concurrency = 16

    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        guard (0...100_000).contains(rate) else { throw ValidationError("--rate is 0 to 100000 MiB a second") }
        guard (1...64).contains(concurrency) else { throw ValidationError("--concurrency is 1 to 64") }
    }

    func run() async throws {
        let catalog = try place.catalog()
        let location = try place.resolve()
        try await connection.run { client in
            try await BackupPlace.run {
                let cluster = try await client.cluster()
                let begin = try await begin(catalog, cluster)
                Console.note("backup \(begin.id)\(begin.parent.map { ", since \($0)" } ?? ", full")")
                do {
                    let result = try await carryOut(begin, catalog, location, client, cluster)
                    try report(result)
                } catch {
                    Console.note("not finished; go on with: guildctl backup create --resume \(begin.id)")
                    throw error
                }
            }
        }
    }

    private func begin(_ catalog: BackupCatalog, _ cluster: ClusterAnswer) async throws -> BackupBegin {
        if let resume {
            let id = try BackupPlace.id(resume)
            guard let begin: BackupBegin = try await catalog.find(id.beginKey) else {
                throw BackupFailure.missing("the backup \(id)")
            }
            guard begin.clusterId == cluster.clusterId else {
                throw BackupFailure.invalid("the backup \(id) is of another cluster, \(begin.clusterId)")
            }
            return begin
        }
        let parent =
            full
            ? nil
            : try await catalog.list().last { $0.isComplete && $0.clusterId == cluster.clusterId }?.id
        let now = WallClock().now()
        let begin = BackupBegin(
            id: BackupID(time: now, random: .random(in: 0 ... .max)), clusterId: cluster.clusterId, parent: parent,
            createdAt: now.description)
        try await catalog.put(begin, begin.id.beginKey)
        return begin
    }

    private func carryOut(
        _ begin: BackupBegin, _ catalog: BackupCatalog, _ location: ObjectLocation, _ client: AdminClient,
        _ cluster: ClusterAnswer
    ) async throws -> Result {
        let steps = SlotSteps(
            client: client, location: location.text, backup: begin.id.text, parent: begin.parent?.text,
            bytesPerSecond: rate << 20, concurrency: concurrency)
        // No slot's entries before all slots' rows: see docs/decisions/016-backup-format.md.
        try await steps.run("rows", title: "rows   ") { _, _ in }
        let slots = Mutex<[BackupManifest.SlotEntry]>([])
        let unreconcilable = Mutex(0)
        try await steps.run("entries", title: "entries") { slot, _ in
            let manifest = try await catalog.slotManifest(begin.id, slot)
            let checksum = ObjectChecksum(of: try manifest.encoded())
            if !manifest.isReconcilable { unreconcilable.withLock { $0 += 1 } }
            slots.withLock {
                $0.append(
                    .init(
                        slot: slot.rawValue, sha256: checksum.hexadecimal, index: manifest.index,
                        isIncremental: manifest.parent != nil, bytes: manifest.bytes))
            }
        }
        let record = try await steps.one("record", Slot(truncating: 0))
        let manifest = BackupManifest(
            begin: begin, finishedAt: WallClock().now().description, programVersion: cluster.version,
            dataFormat: cluster.dataFormat, isTest: cluster.isTest, recordSha256: record.detail,
            slots: slots.withLock { $0.sorted { $0.slot < $1.slot } })
        try await catalog.put(manifest, begin.id.manifestKey)
        return Result(
            id: begin.id.text, parent: begin.parent?.text, bytes: manifest.bytes,
            incrementalSlots: manifest.slots.count(where: \.isIncremental),
            unreconcilableSlots: unreconcilable.withLock { $0 })
    }

    private func report(_ result: Result) throws {
        if connection.json { return try Console.json(result) }
        Console.result(
            "\(result.id): whole, \(ProgressBar.text(bytes: result.bytes)), "
                + "\(result.incrementalSlots) of \(Int(Slot.count)) slots incremental")
        if result.unreconcilableSlots > 0 {
            Console.result(
                "of \(result.unreconcilableSlots) slots the log did not reach back to their rows, so a restore may miss "
                    + "effects of theirs on others; `backup create` again, which is quick now, closes that")
        }
    }
}
