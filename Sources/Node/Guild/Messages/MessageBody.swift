import Domain
import Identity

/// The bodies of `create_message` and `update_message`.
enum MessageBody {
    /// Code points.
    static let maximumContent = 2000

    struct Create: Decodable, Sendable {
        var content: String?
        var nonce: MessageNonce?
        var enforceNonce: Bool?
        var isTTS: Bool?
        var embeds: [Embed]?
        var allowedMentions: AllowedMentions?
        var reference: Reference?
        var flags: Int?
        var components: [Unsupported]?
        var stickerIDs: [Unsupported]?
        var attachments: [Unsupported]?
        var poll: Unsupported?

        enum CodingKeys: String, CodingKey {
            case content, nonce, embeds, flags, components, attachments, poll
            case enforceNonce = "enforce_nonce"
            case isTTS = "tts"
            case allowedMentions = "allowed_mentions"
            case reference = "message_reference"
            case stickerIDs = "sticker_ids"
        }

        func validate() throws {
            var validation = Validation()
            validation.length(content, in: 0...MessageBody.maximumContent, at: "content")
            if case .text(let text)? = nonce {
                validation.length(text, in: 0...MessageNonce.maximumLength, at: "nonce")
            }
            if let embeds { Embed.validate(embeds, in: &validation) }
            allowedMentions?.validate(in: &validation)
            reference?.validate(in: &validation)
            MessageBody.refuse(components, at: "components", in: &validation)
            MessageBody.refuse(stickerIDs, at: "sticker_ids", in: &validation)
            MessageBody.refuse(attachments, at: "attachments", in: &validation)
            if poll != nil {
                validation.fail(at: "poll", code: "BASE_TYPE_MAX_LENGTH", message: "This server does not serve polls.")
            }
            try validation.finish()
        }
    }

    struct Update: Decodable, Sendable {
        var content: Field<String>
        var embeds: Field<[Embed]>
        var allowedMentions: AllowedMentions?
        var flags: Field<Int>
        var components: [Unsupported]?
        var attachments: [Unsupported]?

        enum CodingKeys: String, CodingKey {
            case content, embeds, flags, components, attachments
            case allowedMentions = "allowed_mentions"
        }

        /// Whether it changes what only the author may change.
        var changesContent: Bool { content.isPresent || embeds.isPresent || allowedMentions != nil }

        func validate() throws {
            var validation = Validation()
            validation.length(content.value, in: 0...MessageBody.maximumContent, at: "content")
            if let embeds = embeds.value { Embed.validate(embeds, in: &validation) }
            allowedMentions?.validate(in: &validation)
            MessageBody.refuse(components, at: "components", in: &validation)
            MessageBody.refuse(attachments, at: "attachments", in: &validation)
            try validation.finish()
        }
    }

    /// The message that a reply answers (Discord, "Message reference structure").
    struct Reference: Decodable, Sendable {
        /// 0: a reply; 1, a forward, is not served.
        var type: Int?
        var messageID: MessageID
        var channelID: ChannelID?
        var guildID: GuildID?
        var failIfNotExists: Bool?

        enum CodingKeys: String, CodingKey {
            case type
            case messageID = "message_id"
            case channelID = "channel_id"
            case guildID = "guild_id"
            case failIfNotExists = "fail_if_not_exists"
        }

        func validate(in validation: inout Validation) {
            validation.choice(type, of: [0], at: "message_reference", "type")
        }
    }

    struct BulkDelete: Decodable, Sendable {
        static let count = 2...100
        static let maximumAge: Duration = .seconds(14 * 86_400)
        var messages: [MessageID]
    }

    /// An element of a list that this server accepts only empty; what it is does not matter.
    struct Unsupported: Decodable, Sendable {
        init(from decoder: any Decoder) throws {}
    }

    private static func refuse(_ list: [Unsupported]?, at name: String, in validation: inout Validation) {
        validation.count(list?.count, in: 0...0, at: name)
    }

    /// A text without white space around it, as Discord keeps it.
    static func trimmed(_ content: String) -> String {
        guard let first = content.unicodeScalars.first, let last = content.unicodeScalars.last,
            first.properties.isWhitespace || last.properties.isWhitespace
        else { return content }
        let scalars = content.unicodeScalars
        guard let start = scalars.firstIndex(where: { !$0.properties.isWhitespace }),
            let end = scalars.lastIndex(where: { !$0.properties.isWhitespace })
        else { return "" }
        return String(scalars[start...end])
    }
}
