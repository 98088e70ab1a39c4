import Identity
import Wire

/// A guild's own fields, without what lies in rows of its own: roles, channels, members, invites.
struct GuildRecord: Hashable, Sendable, FieldCodable {
    static let formatVersion: UInt64 = 1

    var id: GuildID
    var name: String
    var description: String?
    var ownerID: UserID
    var afkChannelID: ChannelID?
    /// Seconds.
    var afkTimeout = 300
    var systemChannelID: ChannelID?
    var systemChannelFlags = 0
    var verificationLevel = 0
    var defaultMessageNotifications = 0
    var explicitContentFilter = 0
    var preferredLocale = "en-US"
    var rulesChannelID: ChannelID?
    var publicUpdatesChannelID: ChannelID?
    var safetyAlertsChannelID: ChannelID?
    var isPremiumProgressBarEnabled = false

    init(id: GuildID, name: String, ownerID: UserID) {
        self.id = id
        self.name = name
        self.ownerID = ownerID
    }

    func encode(into writer: inout FieldWriter) {
        writer.write(1, GuildRecord.formatVersion)
        writer.write(2, id)
        writer.write(3, name)
        writer.write(4, ifPresent: description)
        writer.write(5, ownerID)
        writer.write(6, ifPresent: afkChannelID)
        writer.write(7, afkTimeout)
        writer.write(8, ifPresent: systemChannelID)
        writer.write(9, systemChannelFlags)
        writer.write(10, verificationLevel)
        writer.write(11, defaultMessageNotifications)
        writer.write(12, explicitContentFilter)
        writer.write(13, preferredLocale)
        writer.write(14, ifPresent: rulesChannelID)
        writer.write(15, ifPresent: publicUpdatesChannelID)
        writer.write(16, ifPresent: safetyAlertsChannelID)
        writer.write(17, isPremiumProgressBarEnabled)
    }

    init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var id: GuildID?
        var ownerID: UserID?
        self.init(id: GuildID(rawValue: 0), name: "", ownerID: UserID(rawValue: 0))
        while let field = try reader.next() {
            switch field.number {
            case 1: try field.requireFormat(upTo: GuildRecord.formatVersion)
            case 2: id = try field.id()
            case 3: name = try field.string()
            case 4: description = try field.string()
            case 5: ownerID = try field.id()
            case 6: afkChannelID = try field.id()
            case 7: afkTimeout = try field.int()
            case 8: systemChannelID = try field.id()
            case 9: systemChannelFlags = try field.int()
            case 10: verificationLevel = try field.int()
            case 11: defaultMessageNotifications = try field.int()
            case 12: explicitContentFilter = try field.int()
            case 13: preferredLocale = try field.string()
            case 14: rulesChannelID = try field.id()
            case 15: publicUpdatesChannelID = try field.id()
            case 16: safetyAlertsChannelID = try field.id()
            case 17: isPremiumProgressBarEnabled = try field.bool()
            default: break
            }
        }
        self.id = try id.required(2)
        self.ownerID = try ownerID.required(5)
    }
}

extension FieldReader.Field {
    /// Refuses a stored value in a newer encoding than this build reads.
    func requireFormat(upTo version: UInt64) throws(FieldError) {
        guard try uint64() <= version else { throw .invalidField(number) }
    }
}
