import ArgumentParser

struct ShardCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shard", abstract: "Inspects and changes the shard map.",
        subcommands: [
            ShardList.self, ShardShow.self, ShardMove.self, ShardPin.self, ShardUnpin.self, ShardRecover.self,
        ],
        defaultSubcommand: ShardList.self)
}

struct ShardList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists the slots and the nodes that hold them.",
        discussion: "Neighbouring slots with the same nodes and epoch share a line; --json has a row for each.")

    @Option(help: "Only the slots whose primary is this node.")
    var primary: String?

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await connection.run { client in
            let shards = try await client.shards(primary: primary)
            if connection.json { try Console.json(shards) } else { Console.result(ShardList.table(of: shards)) }
        }
    }

    static func table(of shards: [ShardsAnswer.Shard]) -> String {
        var table = Table(["SLOTS", "COUNT", "EPOCH", "PRIMARY", "IN SYNC", "ELIGIBLE", "LEARNERS", "PINNED"])
        var start = shards.startIndex
        while start < shards.endIndex {
            let first = shards[start]
            var end = start + 1
            while end < shards.endIndex, shards[end].slot == shards[end - 1].slot + 1,
                isAlike(shards[end], first)
            {
                end += 1
            }
            let last = shards[end - 1]
            table.add([
                first.slot == last.slot ? "\(first.slot)" : "\(first.slot)-\(last.slot)", String(end - start),
                String(first.epoch), first.primary, list(first.inSync), list(first.eligible), list(first.learners),
                first.isPinned ? "yes" : "no",
            ])
            start = end
        }
        return table.text
    }

    private static func isAlike(_ left: ShardsAnswer.Shard, _ right: ShardsAnswer.Shard) -> Bool {
        left.epoch == right.epoch && left.primary == right.primary && left.inSync == right.inSync
            && left.eligible == right.eligible && left.learners == right.learners && left.isPinned == right.isPinned
    }

    private static func list(_ nodes: [String]) -> String { nodes.isEmpty ? "-" : nodes.joined(separator: ",") }
}
