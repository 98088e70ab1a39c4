import ArgumentParser

struct NodeDrain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain", abstract: "Moves all slots of a guild node elsewhere, while it serves on.",
        discussion:
            "Waits until it holds nothing, unless --detach. It stays empty, over restarts, until `node undrain`."
    )

    @Argument(help: "The node.") var node: String
    @Flag(help: "Do not wait for the end.") var detach = false
    @OptionGroup var confirmation: Confirmation
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.run { client in
            try confirmation.ask("Move everything off \(node)?")
            try await client.drain(node)
            let total = try await NodeDrain.held(by: node, client)
            var (left, bar, failures) = (total, ProgressLine(), 0)
            while !detach, left > 0 {
                if !connection.json { bar.show(1 - Double(left) / Double(total), "\(left) slots left on \(node)") }
                try await Task.sleep(for: .milliseconds(500))
                do throws(AdminFailure) {
                    left = try await NodeDrain.held(by: node, client)
                    failures = 0
                } catch {
                    failures += 1
                    if failures > 60 { throw error }
                }
            }
            if !connection.json, !detach { bar.end() }
            if connection.json {
                try Console.json(["node": node, "slots_left": String(left)])
            } else {
                Console.result(left == 0 ? "\(node) holds nothing" : "\(node) is being drained, \(left) slots left")
            }
        }
    }

    /// Slots that the node holds a copy of.
    static func held(by node: String, _ client: AdminClient) async throws(AdminFailure) -> Int {
        try await client.shards(primary: nil).count { $0.holders.contains(node) }
    }
}

struct NodeUndrain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "undrain", abstract: "Takes a drained or removed node back; `rebalance` fills it.")

    @Argument(help: "The node.") var node: String
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.run { client in
            try await client.undrain(node)
            if connection.json { try Console.json(["node": node]) } else { Console.result("\(node) may take slots") }
        }
    }
}

struct NodeRemove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Gives a guild node up for good: its copies are made anew elsewhere at once.",
        discussion:
            "Refused while it runs and holds slots (drain it, or stop it), and while it holds the only complete "
            + "copy of a slot.")

    @Argument(help: "The node.") var node: String
    @OptionGroup var confirmation: Confirmation
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.run { client in
            try confirmation.ask("Give \(node) up for good?")
            try await client.remove(node)
            if connection.json { try Console.json(["node": node]) } else { Console.result("\(node) is removed") }
        }
    }
}
