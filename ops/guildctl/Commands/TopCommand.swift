import ArgumentParser
import Foundation

struct TopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top", abstract: "Shows the slots that cost the most, and the guilds with the most events, live.",
        discussion: "A guild cannot leave its slot; a slot moves with `shard move`. With --json, or where there is no "
            + "terminal, it is shown once.")

    @Option(help: "How many slots, and how many guilds.")
    var count = 20

    @Option(help: "Seconds between two looks.")
    var interval = 2

    @Flag(help: "Show it once.") var once = false

    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        guard (1...1024).contains(count) else { throw ValidationError("--count is 1 to 1024") }
        guard (1...3600).contains(interval) else { throw ValidationError("--interval is 1 to 3600 seconds") }
    }

    func run() async throws {
        try await connection.run { client in
            let isLive = !once && !connection.json && isatty(STDOUT_FILENO) == 1
            repeat {
                let top = try await client.top(count)
                if connection.json {
                    try Console.json(top)
                } else {
                    let text = TopCommand.table(of: top)
                    Console.result(isLive ? "\u{1b}[H\u{1b}[2J\(text)" : text)
                }
                if isLive { try await Task.sleep(for: .seconds(interval)) }
            } while isLive
        }
    }

    static func table(of top: TopAnswer) -> String {
        var table = Table([
            "SLOT", "PRIMARY", "CPU", "REQUESTS/S", "EVENTS/S", "WRITTEN/S", "STORED", "SUBSCRIPTIONS",
        ])
        for slot in top.slots {
            table.add([
                String(slot.slot), slot.node ?? "-", Quantity.percent(slot.cpu), Quantity.decimal(slot.requests),
                Quantity.decimal(slot.events), Quantity.bytes(slot.writtenBytes), Quantity.bytes(slot.storedBytes),
                String(Int(slot.subscriptions)),
            ])
        }
        guard let guilds = top.guilds, !guilds.isEmpty else { return table.text }
        var second = Table(["GUILD", "SLOT", "PRIMARY", "EVENTS/S", "WRITTEN/S", "GATEWAYS"])
        for guild in guilds {
            second.add([
                guild.guild, String(guild.slot), guild.node ?? "-", Quantity.decimal(guild.events),
                Quantity.bytes(guild.writtenBytes), String(guild.subscriptions),
            ])
        }
        return table.text + "\n\n" + second.text
    }
}
