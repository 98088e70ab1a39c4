import ArgumentParser
import Identity
import NIOCore
import Synchronization

struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Compares the replicas of every slot, row by row, by checksums.",
        discussion: """
            The nodes read what they hold, and nothing is changed or stopped. A slot that is written to is compared as \
            it was at one moment. Exit code 1: some rows differ, or a slot could not be compared.
            """)

    @Option(help: "Only these slots, as in 7 or 0-127; may be repeated. (default: all)")
    var slot: [String] = []

    @Option(help: "MiB a second that is read of one slot at a node, at most.")
    var rate = 32

    @Option(help: "Slots under way at once.")
    var concurrency = 4

    @OptionGroup var connection: ConnectionOptions

    struct Report: Encodable, Sendable {
        var slots = 0
        var compared = 0
        var single = 0
        var rows = 0
        var bytes = 0
        var notCompared: [VerificationAnswer] = []
        var differing: [VerificationAnswer] = []

        var isSound: Bool { notCompared.isEmpty && differing.isEmpty }

        mutating func add(_ answer: VerificationAnswer) {
            slots += 1
            rows += answer.rows
            bytes += answer.bytes
            switch answer.outcome {
            case "compared":
                compared += 1
                if !answer.differences.isEmpty { differing.append(answer) }
            case "single": single += 1
            default: notCompared.append(answer)
            }
        }
    }

    func validate() throws {
        guard (1...100_000).contains(rate) else { throw ValidationError("--rate is 1 to 100000 MiB a second") }
        guard (1...64).contains(concurrency) else { throw ValidationError("--concurrency is 1 to 64") }
        _ = try VerifyCommand.slots(slot)
    }

    func run() async throws {
        let slots = try VerifyCommand.slots(slot)
        var report = Report()
        try await connection.run { client in
            report = try await verify(slots, by: client)
            if connection.json { try Console.json(report) } else { Console.result(VerifyCommand.text(of: report)) }
        }
        if !report.isSound { throw ExitStatus.failed }
    }

    private func verify(_ slots: [Int], by client: AdminClient) async throws -> Report {
        // A slot's rows are all read before the answer comes.
        let client = AdminClient(endpoint: client.endpoint, token: client.token, timeout: .hours(1))
        let bar = ProgressBar("verify", total: slots.count)
        let bytesPerSecond = rate << 20
        return try await withThrowingTaskGroup(of: VerificationAnswer.self) { tasks in
            var report = Report()
            for (number, slot) in slots.enumerated() {
                if number >= concurrency, let answer = try await tasks.next() { report.add(answer) }
                tasks.addTask {
                    let answer = try await client.verify(slot: slot, bytesPerSecond: bytesPerSecond)
                    bar.advance(bytes: answer.bytes)
                    return answer
                }
            }
            for try await answer in tasks { report.add(answer) }
            report.notCompared.sort { $0.slot < $1.slot }
            report.differing.sort { $0.slot < $1.slot }
            return report
        }
    }

    /// - Throws: ``ValidationError``.
    static func slots(_ ranges: [String]) throws -> [Int] {
        guard !ranges.isEmpty else { return Array(0..<Int(Slot.count)) }
        var slots: Set<Int> = []
        for range in ranges {
            let ends = range.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1], first <= last,
                first >= 0, last < Int(Slot.count)
            else {
                throw ValidationError("--slot is a number or a range within 0-\(Int(Slot.count) - 1), not \(range)")
            }
            slots.formUnion(first...last)
        }
        return slots.sorted()
    }

    static func text(of report: Report) -> String {
        var lines: [String] = []
        if !report.differing.isEmpty {
            var table = Table(["SLOT", "FAMILY", "FROM", "UP TO", "NODE", "ROWS", "CHECKSUM"])
            for answer in report.differing {
                for difference in answer.differences {
                    for sum in difference.sums {
                        table.add([
                            String(answer.slot), difference.family, difference.from.isEmpty ? "-" : difference.from,
                            difference.upTo ?? "-", sum.node, String(sum.rows), sum.checksum,
                        ])
                    }
                }
            }
            lines.append(table.text)
        }
        for answer in report.notCompared { lines.append("slot \(answer.slot): not compared: \(answer.reason ?? "?")") }
        let bytes = ProgressBar.text(bytes: report.bytes)
        lines.append(
            "\(report.compared) slots compared, \(report.rows) rows, \(bytes); \(report.single) with one replica only; "
                + "\(report.notCompared.count) not compared; \(report.differing.count) differ")
        return lines.joined(separator: "\n")
    }
}
