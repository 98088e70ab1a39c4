/// A set of Discord's permissions, as roles, overwrites and members have them.
///
/// In JSON it is a decimal string. Source: Discord, "Permissions", bitwise permission flags.
public struct Permissions: OptionSet, Hashable, Sendable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    private init(bit: UInt64) { rawValue = 1 << bit }

    public static let createInstantInvite = Permissions(bit: 0)
    public static let kickMembers = Permissions(bit: 1)
    public static let banMembers = Permissions(bit: 2)
    public static let administrator = Permissions(bit: 3)
    public static let manageChannels = Permissions(bit: 4)
    public static let manageGuild = Permissions(bit: 5)
    public static let addReactions = Permissions(bit: 6)
    public static let viewAuditLog = Permissions(bit: 7)
    public static let prioritySpeaker = Permissions(bit: 8)
    public static let stream = Permissions(bit: 9)
    public static let viewChannel = Permissions(bit: 10)
    public static let sendMessages = Permissions(bit: 11)
    public static let sendTTSMessages = Permissions(bit: 12)
    public static let manageMessages = Permissions(bit: 13)
    public static let embedLinks = Permissions(bit: 14)
    public static let attachFiles = Permissions(bit: 15)
    public static let readMessageHistory = Permissions(bit: 16)
    public static let mentionEveryone = Permissions(bit: 17)
    public static let useExternalEmojis = Permissions(bit: 18)
    public static let viewGuildInsights = Permissions(bit: 19)
    public static let connect = Permissions(bit: 20)
    public static let speak = Permissions(bit: 21)
    public static let muteMembers = Permissions(bit: 22)
    public static let deafenMembers = Permissions(bit: 23)
    public static let moveMembers = Permissions(bit: 24)
    /// Use voice activity detection.
    public static let useVAD = Permissions(bit: 25)
    public static let changeNickname = Permissions(bit: 26)
    public static let manageNicknames = Permissions(bit: 27)
    public static let manageRoles = Permissions(bit: 28)
    public static let manageWebhooks = Permissions(bit: 29)
    public static let manageGuildExpressions = Permissions(bit: 30)
    public static let useApplicationCommands = Permissions(bit: 31)
    public static let requestToSpeak = Permissions(bit: 32)
    public static let manageEvents = Permissions(bit: 33)
    public static let manageThreads = Permissions(bit: 34)
    public static let createPublicThreads = Permissions(bit: 35)
    public static let createPrivateThreads = Permissions(bit: 36)
    public static let useExternalStickers = Permissions(bit: 37)
    public static let sendMessagesInThreads = Permissions(bit: 38)
    public static let useEmbeddedActivities = Permissions(bit: 39)
    /// Time members out.
    public static let moderateMembers = Permissions(bit: 40)
    public static let viewCreatorMonetizationAnalytics = Permissions(bit: 41)
    public static let useSoundboard = Permissions(bit: 42)
    public static let createGuildExpressions = Permissions(bit: 43)
    public static let createEvents = Permissions(bit: 44)
    public static let useExternalSounds = Permissions(bit: 45)
    public static let sendVoiceMessages = Permissions(bit: 46)
    public static let setVoiceChannelStatus = Permissions(bit: 48)
    public static let sendPolls = Permissions(bit: 49)
    public static let useExternalApps = Permissions(bit: 50)
    public static let pinMessages = Permissions(bit: 51)
    public static let bypassSlowmode = Permissions(bit: 52)

    /// Every permission that Discord defines: bits 0 to 46 and 48 to 52.
    public static let all = Permissions(rawValue: (1 << 53 - 1) & ~(1 << 47))

    /// What @everyone of a new guild may do, as in Discord.
    public static let defaultEveryone: Permissions = [
        .createInstantInvite, .addReactions, .stream, .viewChannel, .sendMessages, .embedLinks, .attachFiles,
        .readMessageHistory, .mentionEveryone, .useExternalEmojis, .connect, .speak, .useVAD, .changeNickname,
        .useApplicationCommands, .requestToSpeak, .createPublicThreads, .createPrivateThreads, .useExternalStickers,
        .sendMessagesInThreads, .useEmbeddedActivities, .useSoundboard, .createGuildExpressions, .createEvents,
        .useExternalSounds, .sendVoiceMessages, .setVoiceChannelStatus, .sendPolls, .useExternalApps,
    ]
}

/// Arrives as a decimal string, from some libraries as a JSON integer. Bits that Discord does not define are dropped.
extension Permissions: Decodable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self) {
            guard let bits = UInt64(text) else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a set of permissions")
            }
            self = Permissions(rawValue: bits).intersection(.all)
        } else {
            self = Permissions(rawValue: try container.decode(UInt64.self)).intersection(.all)
        }
    }
}
