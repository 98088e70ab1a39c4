/// Gateway intents by bit (Discord, "Gateway Intents").
public enum Intents {
    public static let guilds: UInt64 = 1 << 0
    public static let guildMembers: UInt64 = 1 << 1
    public static let guildModeration: UInt64 = 1 << 2
    public static let guildExpressions: UInt64 = 1 << 3
    public static let guildIntegrations: UInt64 = 1 << 4
    public static let guildWebhooks: UInt64 = 1 << 5
    public static let guildInvites: UInt64 = 1 << 6
    public static let guildVoiceStates: UInt64 = 1 << 7
    public static let guildPresences: UInt64 = 1 << 8
    public static let guildMessages: UInt64 = 1 << 9
    public static let guildMessageReactions: UInt64 = 1 << 10
    public static let guildMessageTyping: UInt64 = 1 << 11
    public static let directMessages: UInt64 = 1 << 12
    public static let directMessageReactions: UInt64 = 1 << 13
    public static let directMessageTyping: UInt64 = 1 << 14
    public static let messageContent: UInt64 = 1 << 15
    public static let guildScheduledEvents: UInt64 = 1 << 16
    public static let autoModerationConfiguration: UInt64 = 1 << 20
    public static let autoModerationExecution: UInt64 = 1 << 21
    public static let guildMessagePolls: UInt64 = 1 << 24
    public static let directMessagePolls: UInt64 = 1 << 25

    /// Those that an application must be allowed to ask for; otherwise the session is closed with 4014.
    public static let privileged = guildMembers | guildPresences | messageContent
}
