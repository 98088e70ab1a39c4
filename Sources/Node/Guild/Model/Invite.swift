import Identity
import Wire

/// An invite to a guild, by way of a channel (Discord, "Invite object" and its metadata).
struct Invite: Hashable, Sendable, FieldCodable {
    static let formatVersion: UInt64 = 1

    var code: InviteCode
    var guildID: GuildID
    var channelID: ChannelID
    var inviter: UserProfile
    var createdAt: Timestamp
    /// Seconds; 0 for ever.
    var maxAge: Int
    /// 0 for any number.
    var maxUses: Int
    var uses = 0
    /// Members who come by it and get no role are let go when they disconnect.
    var isTemporary: Bool

    init(
        code: InviteCode, guildID: GuildID, channelID: ChannelID, inviter: UserProfile, createdAt: Timestamp,
        maxAge: Int, maxUses: Int, isTemporary: Bool
    ) {
        self.code = code
        self.guildID = guildID
        self.channelID = channelID
        self.inviter = inviter
        self.createdAt = createdAt
        self.maxAge = maxAge
        self.maxUses = maxUses
        self.isTemporary = isTemporary
    }

    var expiresAt: Timestamp? { maxAge == 0 ? nil : createdAt + .seconds(maxAge) }

    /// Whether it still lets anybody in.
    func isValid(at now: Timestamp) -> Bool {
        (expiresAt.map { now < $0 } ?? true) && (maxUses == 0 || uses < maxUses)
    }

    func encode(into writer: inout FieldWriter) {
        writer.write(1, Invite.formatVersion)
        writer.write(2, code.slot)
        writer.write(3, fixed: code.random)
        writer.write(4, guildID)
        writer.write(5, channelID)
        writer.write(6, inviter)
        writer.write(7, createdAt)
        writer.write(8, maxAge)
        writer.write(9, maxUses)
        writer.write(10, uses)
        writer.write(11, isTemporary)
    }

    init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var slot: Slot?
        var random: UInt64?
        var guildID: GuildID?
        var channelID: ChannelID?
        var inviter: UserProfile?
        var createdAt: Timestamp?
        var (maxAge, maxUses, uses, isTemporary) = (0, 0, 0, false)
        while let field = try reader.next() {
            switch field.number {
            case 1: try field.requireFormat(upTo: Invite.formatVersion)
            case 2: slot = try field.slot()
            case 3: random = try field.fixed()
            case 4: guildID = try field.id()
            case 5: channelID = try field.id()
            case 6: inviter = try field.message()
            case 7: createdAt = try field.timestamp()
            case 8: maxAge = try field.int()
            case 9: maxUses = try field.int()
            case 10: uses = try field.int()
            case 11: isTemporary = try field.bool()
            default: break
            }
        }
        self.init(
            code: InviteCode(slot: try slot.required(2), random: try random.required(3)),
            guildID: try guildID.required(4), channelID: try channelID.required(5), inviter: try inviter.required(6),
            createdAt: try createdAt.required(7), maxAge: maxAge, maxUses: maxUses, isTemporary: isTemporary)
        self.uses = uses
    }
}
