import ArgumentParser
import Foundation
import Simulation

/// Runs the deterministic simulator of the replication protocol.
@main struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Run the replication protocol under faults on a virtual clock, network and disk, seed by seed.")

    @Option(help: "How many seeds to run.") var seeds: UInt64 = 1_000
    @Option(help: "The first seed.") var start: UInt64 = 1
    @Option(help: "Run this one seed and print what happens in it.") var trace: UInt64?
    @Flag(help: "With --trace: print each message about a slot, too.") var messages = false
    @Option(help: "Threads; as many as cores when absent.") var threads: Int?
    @Option(help: "Break the protocol in this way; a build with GUILDHALL_MUTATIONS=1 only.") var mutation: String?
    @Flag(help: "For each way to break the protocol, run up to --seeds seeds: one must fail.") var mutations = false
    @Flag(help: "Print the totals as one JSON object.") var json = false

    func run() throws {
        if let mutation, !Mutations.select(mutation) {
            complain("no mutation '\(mutation)' in this build; there are: \(Mutations.names.joined(separator: ", "))\n")
            throw ExitCode(2)
        }
        if mutations { return try hunt() }
        if let trace { return try show(trace) }
        let sweep = Sweep(
            start: start, count: seeds, threads: threads ?? ProcessInfo.processInfo.activeProcessorCount)
        let seeds = seeds
        let outcome = sweep.run { done in
            if done > 0, done % 250 == 0 { complain("\(done) of \(seeds) seeds\n") }
        }
        report(outcome)
        if let (seed, violation) = outcome.failed {
            complain("seed \(seed) failed: \(violation)\n  scripts/simulate --trace \(seed)\n")
            throw ExitCode(1)
        }
        let missing = outcome.totals.missing
        guard missing.isEmpty else {
            complain("the run has seen none of: \(missing.joined(separator: ", "))\n")
            throw ExitCode(1)
        }
    }

    private func show(_ seed: UInt64) throws {
        let world = World(seed: seed) { print($0) }
        world.tracesMessages = messages
        do throws(Violation) {
            try world.run()
            print("seed \(seed) passed")
        } catch {
            print("seed \(seed) failed: \(error)")
            throw ExitCode(1)
        }
    }

    /// Each mutation must be found by an invariant, in seeds that the protocol as it is passes.
    private func hunt() throws {
        guard !Mutations.names.isEmpty else {
            complain("this build has no mutations: build with GUILDHALL_MUTATIONS=1\n")
            throw ExitCode(2)
        }
        let threads = threads ?? ProcessInfo.processInfo.activeProcessorCount
        var escaped: [String] = []
        var last = start
        for name in Mutations.names {
            Mutations.select(name)
            let outcome = Sweep(start: start, count: seeds, threads: threads).run()
            if let (seed, violation) = outcome.failed {
                last = max(last, seed)
                print("\(name): seed \(seed), after \(outcome.totals.seeds): \(violation.invariant)")
            } else {
                escaped.append(name)
                print("\(name): NOT FOUND in \(seeds) seeds")
            }
        }
        guard escaped.isEmpty else {
            complain("not found: \(escaped.joined(separator: ", "))\n")
            throw ExitCode(1)
        }
        Mutations.select(nil)
        let count = last - start + 1
        if let (seed, violation) = Sweep(start: start, count: count, threads: threads).run().failed {
            complain("without a mutation, seed \(seed) fails too: \(violation)\n")
            throw ExitCode(1)
        }
        print("\(Mutations.names.count) mutations found; the \(count) seeds pass without them")
    }

    private func report(_ outcome: Sweep.Outcome) {
        let rate = Double(outcome.totals.seeds) / max(outcome.seconds, 0.001)
        if json {
            var fields = outcome.totals.named.map { "\"\($0.name)\":\($0.value)" }
            fields.append("\"seconds\":\(Int(outcome.seconds))")
            fields.append("\"failedSeed\":\(outcome.failed.map { "\($0.seed)" } ?? "null")")
            print("{\(fields.joined(separator: ","))}")
        } else {
            for (name, value) in outcome.totals.named {
                print("\(name.padding(toLength: 16, withPad: " ", startingAt: 0))\(value)")
            }
            print("\(Int(outcome.seconds)) s, \(Int(rate)) seeds/s")
        }
    }
}

private func complain(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
