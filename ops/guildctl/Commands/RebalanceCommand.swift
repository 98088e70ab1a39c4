import ArgumentParser
import Foundation

struct RebalanceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rebalance", abstract: "Spreads the slots over the guild nodes by load.",
        discussion: """
            --plan shows what would be moved. --apply moves it, a few slots at a time, while everybody talks, and shows \
            how far it is; the work is the cluster's, so that it goes on when this command ends (Ctrl-C, or --detach). \
            --status follows it again, --abort stops it: what is half done is turned back.
            Exit codes: 0 done, 1 aborted or some moves dropped, 2 refused.
            """)

    @Flag(help: "Show the moves, and the balance before and after.") var plan = false
    @Flag(help: "Move the slots.") var apply = false
    @Flag(help: "Follow the rebalance under way, or show the last one.") var status = false
    @Flag(help: "Stop the rebalance under way.") var abort = false

    @Option(help: "What is balanced: load (processor time, bytes, events, sessions) or slots (their number).")
    var measure = "load"

    @Option(help: "How many times its fair share a node may have, from 1.")
    var bound = 1.05

    @Option(help: "Slots that move at once.")
    var concurrency = 8

    @Option(help: "Bytes a second that new copies may take, as in 20M. (default: no limit)")
    var bandwidth: String?

    @Flag(help: "Do not wait for the end.") var detach = false

    @OptionGroup var confirmation: Confirmation
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        guard [plan, apply, status, abort].count(where: { $0 }) == 1 else {
            throw ValidationError("one of --plan, --apply, --status and --abort")
        }
        guard ["load", "slots"].contains(measure) else { throw ValidationError("--measure is load or slots") }
        guard (1...256).contains(concurrency) else { throw ValidationError("--concurrency is 1 to 256") }
        guard bound >= 1, bound <= 10 else { throw ValidationError("--bound is 1 to 10") }
        if let bandwidth, Quantity.parseBytes(bandwidth) == nil {
            throw ValidationError("--bandwidth '\(bandwidth)' is no number of bytes")
        }
    }

    private var request: RebalanceRequest {
        RebalanceRequest(
            measure: measure, bound: bound, concurrency: concurrency,
            bandwidth: bandwidth.flatMap(Quantity.parseBytes) ?? 0)
    }

    func run() async throws {
        try await connection.run { client in
            if plan {
                let plan = try await client.plan(request)
                if connection.json { try Console.json(plan) } else { Console.result(RebalanceCommand.text(of: plan)) }
            } else if apply {
                try await apply(client)
            } else if abort {
                try confirmation.ask("Abort the rebalance?")
                try await finish(try await client.abortRebalance(), client)
            } else {
                guard let job = try await client.job() else {
                    Console.note("there has been no rebalance")
                    return
                }
                try await finish(job, client)
            }
        }
    }

    private func apply(_ client: AdminClient) async throws {
        let plan = try await client.plan(request)
        if !connection.json { Console.result(RebalanceCommand.text(of: plan)) }
        if !plan.moves.isEmpty {
            try confirmation.ask("Move \(plan.moves.count) slots, \(Quantity.bytes(Double(plan.bytes)))?")
        }
        try await finish(try await client.start(request), client)
    }

    private func finish(_ job: JobAnswer, _ client: AdminClient) async throws {
        var job = job
        if !detach { job = try await RebalanceCommand.follow(job, client, isQuiet: connection.json) }
        if connection.json { try Console.json(job) } else { Console.result(RebalanceCommand.text(of: job)) }
        if job.state == "aborted", !abort { throw ExitStatus.failed }
        if job.dropped > 0 { throw ExitStatus.failed }
    }

    /// Waits for the end of a rebalance; a router that is away for a while is borne.
    static func follow(_ job: JobAnswer, _ client: AdminClient, isQuiet: Bool) async throws -> JobAnswer {
        var (job, bar, failures) = (job, ProgressLine(), 0)
        while !job.isOver {
            if !isQuiet {
                let done = job.moves - job.left
                bar.show(Double(done) / Double(max(1, job.moves)), "\(done) of \(job.moves) slots, \(job.state)")
            }
            try await Task.sleep(for: .milliseconds(500))
            do throws(AdminFailure) {
                if let next = try await client.job() { job = next }
                failures = 0
            } catch {
                failures += 1
                if failures > 60 { throw error }
            }
        }
        if !isQuiet {
            bar.show(1, "\(job.moves) slots, \(job.state)")
            bar.end()
        }
        return job
    }

    static func text(of plan: PlanAnswer) -> String {
        guard !plan.moves.isEmpty else { return "nothing to move" }
        let copies = plan.moves.reduce(0) { sum, move in sum + move.to.count { !move.from.contains($0) } }
        let primaries = plan.moves.count { $0.from.first != $0.to.first }
        var table = Table(["NODE", "PRIMARIES", "REPLICAS", "LOAD", "STORED"])
        for node in plan.nodes {
            table.add([
                node.id, "\(node.before.primaries) -> \(node.after.primaries)",
                "\(node.before.replicas) -> \(node.after.replicas)",
                "\(Quantity.percent(node.before.load)) -> \(Quantity.percent(node.after.load))",
                "\(Quantity.bytes(Double(node.before.storedBytes))) -> \(Quantity.bytes(Double(node.after.storedBytes)))",
            ])
        }
        return """
            \(plan.moves.count) slots move: \(copies) new copies, \(primaries) changes of primary
            \(Quantity.bytes(Double(plan.bytes))) to send, about \(Quantity.seconds(plan.expectedSeconds))

            \(table.text)
            """
    }

    static func text(of job: JobAnswer) -> String {
        var lines = [
            "rebalance \(job.id): \(job.state)",
            "moves     \(job.moves), \(job.settled) settled, \(job.left) left, \(job.dropped) dropped, "
                + "\(job.reset) turned back",
            "bytes     \(Quantity.bytes(Double(job.settledBytes))) in settled moves, "
                + "\(Quantity.bytes(Double(job.bytes))) planned",
            "begun     \(job.created)",
        ]
        if let finished = job.finished { lines.append("ended     \(finished)") }
        return lines.joined(separator: "\n")
    }
}
