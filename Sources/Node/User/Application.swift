import Domain
import Identity
import Wire

/// A bot's application; its id is the bot user's.
struct Application: Hashable, Sendable, FieldCodable {
    /// The version of this encoding.
    static let formatVersion: UInt64 = 1

    var name: String
    var description = ""
    /// Who made the bot, as their profile was then; absent when it belongs to the operator.
    var owner: UserProfile?
    /// Whether others than the owner may add the bot to guilds.
    var isPublic = true
    /// Privileged intents that the bot may ask for. On a server of one's own all are allowed to begin with.
    var allowedPrivilegedIntents = Intents.privileged

    init(name: String) { self.name = name }

    /// Discord's application flags that follow from the intents allowed: presence, members, message content.
    var flags: Int {
        var flags = 0
        if allowedPrivilegedIntents & Intents.guildPresences != 0 { flags |= 1 << 12 }
        if allowedPrivilegedIntents & Intents.guildMembers != 0 { flags |= 1 << 14 }
        if allowedPrivilegedIntents & Intents.messageContent != 0 { flags |= 1 << 18 }
        return flags
    }

    func encode(into writer: inout FieldWriter) {
        writer.write(1, Application.formatVersion)
        writer.write(2, name)
        writer.write(3, description)
        if let owner { writer.write(4, owner) }
        writer.write(5, isPublic)
        writer.write(6, allowedPrivilegedIntents)
    }

    init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        self.init(name: "")
        while let field = try reader.next() {
            switch field.number {
            case 1:
                guard try field.uint64() <= Application.formatVersion else { throw .invalidField(1) }
            case 2: name = try field.string()
            case 3: description = try field.string()
            case 4: owner = try field.message()
            case 5: isPublic = try field.bool()
            case 6: allowedPrivilegedIntents = try field.uint64()
            default: break
            }
        }
    }
}
