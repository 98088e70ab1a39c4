import ArgumentParser
import Identity

struct GuildCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "guild", abstract: "Inspects guilds.", subcommands: [GuildWhere.self])
}

struct GuildWhere: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "where", abstract: "Says which slot and nodes hold a guild.",
        discussion: "Takes the id of anything in it as well: a channel, a role, a message. "
            + "Whether the id exists is not asked; the id alone says where.")

    @Argument(help: "The id, a decimal snowflake.")
    var id: String

    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        guard GuildID(id) != nil else { throw ValidationError("'\(id)' is not a decimal snowflake") }
    }

    func run() async throws {
        try await connection.run { client in
            let entity = try await client.entity(id)
            if connection.json {
                try Console.json(entity)
                return
            }
            var table = Table(["ID", "SLOT", "EPOCH", "PRIMARY", "ADDRESS", "IN SYNC", "CREATED"])
            let address =
                if let node = entity.node, node.isRegistered { "\(node.host):\(node.port)" } else { "not registered" }
            table.add([
                entity.id, String(entity.slot), String(entity.epoch), entity.primary, address,
                entity.inSync.joined(separator: ","), entity.createdAt,
            ])
            Console.result(table.text)
        }
    }
}
