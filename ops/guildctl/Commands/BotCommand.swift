import ArgumentParser
import Identity

struct BotCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bot", abstract: "Manages bots.", subcommands: [BotCreate.self, BotAdd.self])
}

struct BotCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Creates a bot with its application and prints the bot's token.")

    @Argument(help: "The bot's name.")
    var name: String

    @Option(help: "The id of the user who owns it.")
    var owner: String?

    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if let owner, UserID(owner) == nil { throw ValidationError("--owner '\(owner)' is not a decimal snowflake") }
    }

    func run() async throws {
        try await connection.run { client in
            let bot = try await client.createBot(NewBot(name: name, ownerId: owner))
            if connection.json {
                try Console.json(bot)
            } else {
                Console.result("id           \(bot.id)\napplication  \(bot.applicationId)\ntoken        \(bot.token)")
            }
        }
    }
}

struct BotAdd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Adds a bot to a guild, with a role of its own.")

    @Argument(help: "The bot's id.")
    var bot: String

    @Argument(help: "The guild's id.")
    var guild: String

    @Option(help: "The permissions of its role, a decimal number of bits; 8 is administrator.")
    var permissions = "0"

    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        guard UserID(bot) != nil else { throw ValidationError("'\(bot)' is not a decimal snowflake") }
        guard GuildID(guild) != nil else { throw ValidationError("'\(guild)' is not a decimal snowflake") }
        guard UInt64(permissions) != nil else {
            throw ValidationError("--permissions '\(permissions)' is not a decimal number")
        }
    }

    func run() async throws {
        try await connection.run { client in
            try await client.addBot(bot, to: guild, permissions: permissions)
            if !connection.json { Console.result("bot \(bot) is a member of guild \(guild)") }
        }
    }
}
