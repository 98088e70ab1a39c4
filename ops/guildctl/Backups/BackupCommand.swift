import ArgumentParser
import Backup
import Foundation
import Identity

struct BackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Makes, lists, verifies and deletes backups of the cluster.",
        subcommands: [BackupCreate.self, BackupList.self, BackupVerify.self, BackupPrune.self])
}

struct BackupList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Lists backups, the oldest first.")

    @OptionGroup var place: BackupPlace

    @Flag(help: "Print JSON for scripts instead of a table.")
    var json = false

    func run() async throws {
        try await BackupPlace.run {
            let summaries = try await place.catalog().list()
            if json { return try Console.json(summaries) }
            var table = Table(["ID", "STATE", "FINISHED", "BUILDS ON", "SIZE", "CLUSTER"])
            for summary in summaries {
                table.add([
                    summary.id.text, summary.isComplete ? "whole" : "unfinished", summary.finishedAt ?? "-",
                    summary.parent?.text ?? "-", ProgressBar.text(bytes: summary.bytes), summary.clusterId,
                ])
            }
            Console.result(table.text)
        }
    }
}

struct BackupVerify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Reads a backup, and what it builds on, and compares every checksum.")

    private struct Result: Encodable {
        var id: String
        var slots: Int
        var bytes: Int
        var faults: [String]
    }

    @Argument(help: "The backup's ID. (default: the newest whole one)")
    var id: String?

    @OptionGroup var place: BackupPlace

    @Flag(help: "Print JSON for scripts.")
    var json = false

    func run() async throws {
        try await BackupPlace.run {
            let catalog = try place.catalog()
            let wanted: BackupID
            if let id {
                wanted = try BackupPlace.id(id)
            } else {
                guard let newest = try await catalog.list().last(where: \.isComplete) else {
                    throw BackupFailure.missing("a whole backup")
                }
                wanted = newest.id
            }
            let manifest = try await catalog.manifest(wanted)
            let bar = ProgressBar("verify", total: manifest.slots.count)
            var faults: [String] = []
            var bytes = 0
            if manifest.slots.count != Int(Slot.count) { faults.append("it has \(manifest.slots.count) slots") }
            try await withThrowingTaskGroup(of: (Int, String?).self) { tasks in
                for (number, entry) in manifest.slots.enumerated() {
                    if number >= 8, let (read, fault) = try await tasks.next() {
                        bytes += read
                        if let fault { faults.append(fault) }
                    }
                    tasks.addTask {
                        do {
                            let read = try await catalog.verify(manifest, entry)
                            bar.advance(bytes: read)
                            return (read, nil)
                        } catch {
                            bar.advance()
                            return (0, "slot \(entry.slot): \(error)")
                        }
                    }
                }
                for try await (read, fault) in tasks {
                    bytes += read
                    if let fault { faults.append(fault) }
                }
            }
            if json {
                try Console.json(
                    Result(id: wanted.text, slots: manifest.slots.count, bytes: bytes, faults: faults.sorted()))
            } else {
                for fault in faults.sorted() { Console.result(fault) }
                Console.result(
                    "\(wanted): \(manifest.slots.count) slots, \(ProgressBar.text(bytes: bytes)), "
                        + (faults.isEmpty ? "all as written" : "\(faults.count) faults"))
            }
            guard faults.isEmpty else { throw ExitStatus.failed }
        }
    }
}

struct BackupPrune: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Deletes old backups, but for the newest and what those build on, and unfinished ones before them.")

    @Option(help: "How many whole backups stay.")
    var keep: Int

    @Flag(help: "Delete without asking.")
    var yes = false

    @OptionGroup var place: BackupPlace

    @Flag(help: "Print JSON for scripts.")
    var json = false

    func validate() throws { guard keep >= 1 else { throw ValidationError("--keep is 1 or more") } }

    func run() async throws {
        try await BackupPlace.run {
            let catalog = try place.catalog()
            let prunable = BackupCatalog.prunable(try await catalog.list(), keeping: keep)
            if !yes, !prunable.isEmpty {
                Console.note("to be deleted: \(prunable.map(\.text).joined(separator: ", ")). Delete? [yes/no]")
                guard readLine() == "yes" else { throw ExitStatus.failed }
            }
            // The newest first: none is left whose parent is gone.
            for id in prunable.reversed() { try await catalog.delete(id) }
            if json {
                try Console.json(["deleted": prunable.map(\.text)])
            } else {
                Console.result(prunable.isEmpty ? "nothing to delete" : "deleted \(prunable.count) backups")
            }
        }
    }
}
