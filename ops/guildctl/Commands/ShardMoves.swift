import ArgumentParser

/// The slot that a command is about.
struct SlotArgument: ParsableArguments {
    @Argument(help: "The slot, 0 to 1023.") var slot: Int

    func validate() throws {
        guard (0...1023).contains(slot) else { throw ValidationError("a slot is 0 to 1023") }
    }
}

struct ShardShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Shows one slot.")

    @OptionGroup var argument: SlotArgument
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.run { client in
            let shard = try await client.shard(argument.slot)
            if connection.json { try Console.json(shard) } else { Console.result(ShardShow.text(of: shard)) }
        }
    }

    static func text(of shard: ShardsAnswer.Shard) -> String {
        func list(_ nodes: [String]) -> String { nodes.isEmpty ? "-" : nodes.joined(separator: ", ") }
        return """
            slot      \(shard.slot)
            epoch     \(shard.epoch)
            primary   \(shard.primary)
            in sync   \(list(shard.inSync)), at least \(shard.minimum ?? 1) for writes
            eligible  \(list(shard.eligible))
            learners  \(list(shard.learners))
            target    \(list(shard.target ?? []))
            pinned    \(shard.isPinned ? "yes" : "no")
            """
    }
}

struct ShardMove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "move", abstract: "Makes a node the primary of a slot.",
        discussion: "A node that holds no copy gets one, in place of the present primary's. Waits until it is done, "
            + "unless --detach.")

    @OptionGroup var argument: SlotArgument
    @Option(help: "The node.") var to: String
    @Flag(help: "Do not wait for the end.") var detach = false
    @Option(help: "Seconds to wait.") var limit = 600
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.run { client in
            var shard = try await client.move(argument.slot, to: to)
            let deadline = ContinuousClock.now.advanced(by: .seconds(limit))
            while !detach, !(shard.target ?? []).isEmpty {
                guard ContinuousClock.now < deadline else {
                    Console.note("guildctl: slot \(argument.slot) is still on its way")
                    throw ExitStatus.failed
                }
                try await Task.sleep(for: .milliseconds(200))
                shard = try await client.shard(argument.slot)
            }
            if connection.json { try Console.json(shard) } else { Console.result(ShardShow.text(of: shard)) }
            // Somebody else may have sent it elsewhere meanwhile.
            guard detach || shard.primary == to else { throw ExitStatus.failed }
        }
    }
}

struct ShardPin: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pin", abstract: "Keeps a slot's primary where it is when loads are balanced.")

    @OptionGroup var argument: SlotArgument
    @OptionGroup var connection: ConnectionOptions

    func run() async throws { try await ShardPin.set(argument.slot, true, connection) }

    static func set(_ slot: Int, _ isPinned: Bool, _ connection: ConnectionOptions) async throws {
        try await connection.run { client in
            let shard = try await client.pin(slot, isPinned: isPinned)
            if connection.json { try Console.json(shard) } else { Console.result(ShardShow.text(of: shard)) }
        }
    }
}

struct ShardUnpin: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "unpin", abstract: "Lets a pinned slot move again.")

    @OptionGroup var argument: SlotArgument
    @OptionGroup var connection: ConnectionOptions

    func run() async throws { try await ShardPin.set(argument.slot, false, connection) }
}

struct ShardRecover: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recover", abstract: "Lets one node serve a slot whose in-sync nodes are gone for good.",
        discussion: "What they had acknowledged and this node does not hold is lost. Refused while one of them runs. "
            + "It is written to the audit.")

    @OptionGroup var argument: SlotArgument
    @Option(help: "The node that holds what is left.") var from: String
    @Flag(help: "Needed: what the others had acknowledged may be lost.") var acceptLoss = false
    @OptionGroup var confirmation: Confirmation
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.run { client in
            let recovery = try await client.recovery(argument.slot, from: from)
            guard recovery.alive.isEmpty else {
                Console.note(
                    "guildctl: \(recovery.alive.joined(separator: ", ")) runs and is in sync: nothing needs to be lost")
                throw ExitStatus.refused
            }
            let gone = recovery.gone.isEmpty ? "no other member" : recovery.gone.joined(separator: ", ")
            Console.note("slot \(argument.slot), epoch \(recovery.epoch): gone with their copies: \(gone)")
            Console.note(
                recovery.isComplete
                    ? "\(from) was a member: it holds all that was acknowledged, unless its disk was changed since"
                    : "\(from) was catching up: everything acknowledged after its last entry is lost")
            guard acceptLoss else {
                Console.note("guildctl: nothing is done without --accept-loss")
                throw ExitStatus.refused
            }
            try confirmation.ask("Serve slot \(argument.slot) from \(from) alone?")
            let shard = try await client.recover(argument.slot, from: from)
            if connection.json { try Console.json(shard) } else { Console.result(ShardShow.text(of: shard)) }
        }
    }
}
