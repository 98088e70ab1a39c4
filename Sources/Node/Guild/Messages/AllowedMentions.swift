import Domain
import Identity

/// Whom a message may notify, among those that it mentions (Discord, "Allowed mentions object").
struct AllowedMentions: Decodable, Sendable {
    var parse: [String?]?
    var users: [UserID?]?
    var roles: [RoleID?]?
    var repliedUser: Bool?

    enum CodingKeys: String, CodingKey {
        case parse, users, roles
        case repliedUser = "replied_user"
    }

    static let maximumIDs = 100

    func validate(in validation: inout Validation) {
        let path = "allowed_mentions"
        for (position, kind) in (parse ?? []).enumerated()
        where kind.map({ !["users", "roles", "everyone"].contains($0) }) ?? false {
            validation.fail(
                at: path, "parse", String(position), code: "BASE_TYPE_CHOICES",
                message: "Value \"\((kind ?? "").prefix(64))\" must be one of {'everyone', 'roles', 'users'}.")
        }
        validation.count(users?.count, in: 0...Self.maximumIDs, at: path, "users")
        validation.count(roles?.count, in: 0...Self.maximumIDs, at: path, "roles")
        for (kind, count) in [("users", users?.count ?? 0), ("roles", roles?.count ?? 0)]
        where count > 0 && parses(kind) {
            validation.fail(
                at: path, code: "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
                message: "parse:[\"\(kind)\"] and \(kind): [ids...] are mutually exclusive.")
        }
    }

    private func parses(_ kind: String) -> Bool { parse?.contains(kind) ?? false }

    var allowsEveryone: Bool { parses("everyone") }
    func allows(_ user: UserID) -> Bool { parses("users") || (users?.contains(user) ?? false) }
    func allows(_ role: RoleID) -> Bool { parses("roles") || (roles?.contains(role) ?? false) }
}
