import Identity
import NIOCore
import Wire

/// A message as its row in family `message` holds it; its id and channel are in the key.
///
/// Profiles are those of the time of posting: pages show the members' present ones where there are any.
struct Message: Hashable, Sendable, FieldCodable {
    /// The version of this encoding.
    static let formatVersion: UInt64 = 1

    enum Kind: Int, Sendable {
        case standard = 0
        case reply = 19
    }

    var kind = Kind.standard
    var author: UserProfile
    var content = ""
    var editedAt: Timestamp?
    var flags: MessageFlags = []
    var isTTS = false
    var mentionsEveryone = false
    var mentions: [UserProfile] = []
    var mentionedRoles: [RoleID] = []
    /// The embeds as a JSON array in the form that clients get; absent when there are none.
    var embeds: ByteBuffer?
    /// The message of the same channel that this one answers.
    var repliesTo: MessageID?
    var nonce: MessageNonce?
    /// A deleted message leaves its author and nothing else.
    private(set) var isDeleted = false

    init(author: UserProfile) { self.author = author }

    /// What a deletion leaves.
    var tombstone: Message {
        var tombstone = Message(author: UserProfile(id: author.id, username: ""))
        tombstone.isDeleted = true
        return tombstone
    }

    func encode(into writer: inout FieldWriter) {
        writer.write(1, Message.formatVersion)
        writer.write(2, author)
        if isDeleted { writer.write(3, true) }
        if !content.isEmpty { writer.write(4, content) }
        if kind != .standard { writer.write(5, kind.rawValue) }
        writer.write(6, ifPresent: editedAt)
        if !flags.isEmpty { writer.write(7, flags.rawValue) }
        if isTTS { writer.write(8, true) }
        if mentionsEveryone { writer.write(9, true) }
        for mention in mentions { writer.write(10, mention) }
        for role in mentionedRoles { writer.write(11, role) }
        writer.write(12, ifPresent: embeds)
        writer.write(13, ifPresent: repliesTo)
        switch nonce {
        case .text(let text): writer.write(14, text)
        case .integer(let value): writer.write(15, signed: value)
        case nil: break
        }
    }

    init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var author: UserProfile?
        self.init(author: UserProfile(id: UserID(rawValue: 0), username: ""))
        while let field = try reader.next() {
            switch field.number {
            case 1: try field.requireFormat(upTo: Message.formatVersion)
            case 2: author = try field.message()
            case 3: isDeleted = try field.bool()
            case 4: content = try field.string()
            case 5:
                guard let known = Kind(rawValue: try field.int()) else { throw .invalidField(5) }
                kind = known
            case 6: editedAt = try field.timestamp()
            case 7: flags = MessageFlags(rawValue: try field.int())
            case 8: isTTS = try field.bool()
            case 9: mentionsEveryone = try field.bool()
            case 10: mentions.append(try field.message())
            case 11: mentionedRoles.append(try field.id())
            case 12: embeds = try field.bytes()
            case 13: repliesTo = try field.id()
            case 14: nonce = .text(try field.string())
            case 15: nonce = .integer(try field.signed())
            default: break
            }
        }
        self.author = try author.required(2)
    }
}

/// Discord's message flags, as far as clients may set them.
struct MessageFlags: OptionSet, Hashable, Sendable {
    let rawValue: Int

    static let suppressEmbeds = MessageFlags(rawValue: 1 << 2)
    /// A silent message.
    static let suppressNotifications = MessageFlags(rawValue: 1 << 12)

    /// What a new message may have; other bits are dropped.
    static let settable: MessageFlags = [.suppressEmbeds, .suppressNotifications]
}

/// A client's mark on a message, echoed as it came.
enum MessageNonce: Hashable, Sendable, Decodable {
    case text(String)
    case integer(Int64)

    static let maximumLength = 25

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self) {
            self = .text(text)
        } else {
            self = .integer(try container.decode(Int64.self))
        }
    }

    /// What two equal nonces have in common, however they came.
    var text: String {
        switch self {
        case .text(let text): text
        case .integer(let value): String(value)
        }
    }
}
