import Identity
import NIOCore
import Wire

/// What one slot asks of another through the outbox.
public enum Effect: Hashable, Sendable, FieldCodable {
    // Guild → user. The guild is the authority on membership.
    case membershipAdded(user: UserID, guild: GuildID, joinedAt: Timestamp)
    case membershipRemoved(user: UserID, guild: GuildID)
    // User → guild. The user is the authority on the profile.
    case profileChanged(guild: GuildID, profile: UserProfile)
    // User → directory and back.
    case claimName(DirectoryName, owner: UserID)
    case releaseName(DirectoryName, owner: UserID)
    case nameAnswered(DirectoryName, owner: UserID, isGranted: Bool)

    public func encode(into writer: inout FieldWriter) {
        switch self {
        case .membershipAdded(let user, let guild, let joinedAt):
            writer.write(1) {
                $0.write(1, user)
                $0.write(2, guild)
                $0.write(3, joinedAt)
            }
        case .membershipRemoved(let user, let guild):
            writer.write(2) {
                $0.write(1, user)
                $0.write(2, guild)
            }
        case .profileChanged(let guild, let profile):
            writer.write(3) {
                $0.write(2, guild)
                $0.write(4, profile)
            }
        case .claimName(let name, let owner):
            writer.write(4) {
                $0.write(5, name)
                $0.write(1, owner)
            }
        case .releaseName(let name, let owner):
            writer.write(5) {
                $0.write(5, name)
                $0.write(1, owner)
            }
        case .nameAnswered(let name, let owner, let isGranted):
            writer.write(6) {
                $0.write(5, name)
                $0.write(1, owner)
                $0.write(6, isGranted)
            }
        }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        guard let outer = try reader.next() else { throw .missingField(1) }
        var inner = try outer.message()
        var user: UserID?
        var guild: GuildID?
        var joinedAt: Timestamp?
        var profile: UserProfile?
        var name: DirectoryName?
        var isGranted = false
        while let field = try inner.next() {
            switch field.number {
            case 1: user = try field.id()
            case 2: guild = try field.id()
            case 3: joinedAt = try field.timestamp()
            case 4: profile = try field.message()
            case 5: name = try field.message()
            case 6: isGranted = try field.bool()
            default: break
            }
        }
        switch outer.number {
        case 1:
            self = .membershipAdded(
                user: try user.required(1), guild: try guild.required(2), joinedAt: try joinedAt.required(3))
        case 2: self = .membershipRemoved(user: try user.required(1), guild: try guild.required(2))
        case 3: self = .profileChanged(guild: try guild.required(2), profile: try profile.required(4))
        case 4: self = .claimName(try name.required(5), owner: try user.required(1))
        case 5: self = .releaseName(try name.required(5), owner: try user.required(1))
        case 6:
            self = .nameAnswered(try name.required(5), owner: try user.required(1), isGranted: isGranted)
        default: throw .invalidField(outer.number)
        }
    }
}

extension DirectoryName: FieldCodable {
    public func encode(into writer: inout FieldWriter) {
        writer.write(1, kind.rawValue)
        writer.write(2, canonical)
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var kind: Kind?
        var canonical: String?
        while let field = try reader.next() {
            switch field.number {
            case 1: kind = Kind(rawValue: try field.uint64())
            case 2: canonical = try field.string()
            default: break
            }
        }
        self.init(kind: try kind.required(1), canonical: try canonical.required(2))
    }
}

/// A step of work that a slot does later: a cursor through a large fan-out.
public enum Work: Hashable, Sendable, FieldCodable {
    /// Remove the members of a deleted guild after `after`, some hundred a step, then its rows.
    case deleteGuild(GuildID, after: UserID)
    /// Tell the guilds of a user after `after` of their new profile.
    case announceProfile(UserID, after: GuildID)

    public func encode(into writer: inout FieldWriter) {
        switch self {
        case .deleteGuild(let guild, let after):
            writer.write(1) {
                $0.write(1, guild)
                $0.write(2, after)
            }
        case .announceProfile(let user, let after):
            writer.write(2) {
                $0.write(1, user)
                $0.write(2, after)
            }
        }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        guard let outer = try reader.next() else { throw .missingField(1) }
        var inner = try outer.message()
        var first: UInt64?
        var second: UInt64?
        while let field = try inner.next() {
            switch field.number {
            case 1: first = try field.fixed()
            case 2: second = try field.fixed()
            default: break
            }
        }
        let (id, after) = (try first.required(1), try second.required(2))
        switch outer.number {
        case 1: self = .deleteGuild(GuildID(rawValue: id), after: UserID(rawValue: after))
        case 2: self = .announceProfile(UserID(rawValue: id), after: GuildID(rawValue: after))
        default: throw .invalidField(outer.number)
        }
    }
}
