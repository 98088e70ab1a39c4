import Identity
import Wire

/// A user in a guild (Discord, "Guild Member object"), with a copy of their profile.
struct Member: Hashable, Sendable, FieldCodable {
    static let formatVersion: UInt64 = 1

    var profile: UserProfile
    var nick: String?
    /// Without @everyone. May name roles that are gone: see ``GuildAggregate/roles(of:)``.
    var roles: [RoleID] = []
    var joinedAt: Timestamp
    /// Discord's guild member flags.
    var flags: UInt64 = 0
    /// The end of a time-out; in the past when it is over.
    var communicationDisabledUntil: Timestamp?

    var userID: UserID { profile.id }

    init(profile: UserProfile, joinedAt: Timestamp) {
        self.profile = profile
        self.joinedAt = joinedAt
    }

    func isTimedOut(at now: Timestamp) -> Bool {
        communicationDisabledUntil.map { $0 > now } ?? false
    }

    func encode(into writer: inout FieldWriter) {
        writer.write(1, Member.formatVersion)
        writer.write(2, profile)
        writer.write(3, ifPresent: nick)
        for role in roles { writer.write(4, role) }
        writer.write(5, joinedAt)
        writer.write(6, flags)
        writer.write(7, ifPresent: communicationDisabledUntil)
    }

    init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var profile: UserProfile?
        self.init(
            profile: UserProfile(id: UserID(rawValue: 0), username: ""), joinedAt: Timestamp(milliseconds: 0))
        while let field = try reader.next() {
            switch field.number {
            case 1: try field.requireFormat(upTo: Member.formatVersion)
            case 2: profile = try field.message()
            case 3: nick = try field.string()
            case 4: roles.append(try field.id())
            case 5: joinedAt = try field.timestamp()
            case 6: flags = try field.uint64()
            case 7: communicationDisabledUntil = try field.timestamp()
            default: break
            }
        }
        self.profile = try profile.required(2)
    }
}
