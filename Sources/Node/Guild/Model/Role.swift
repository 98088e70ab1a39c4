import Domain
import Identity
import Wire

/// A role of a guild (Discord, "Role object"). The role whose id is the guild's is @everyone.
struct Role: Hashable, Sendable, FieldCodable {
    static let formatVersion: UInt64 = 1

    var id: RoleID
    var name: String
    var permissions: Permissions
    var position: Int
    var color = 0
    /// With ``tertiaryColor``, the other colours of a gradient.
    var secondaryColor: Int?
    var tertiaryColor: Int?
    var isHoisted = false
    var isMentionable = false
    /// The bot that the role came with; such a role is managed: nobody gives, takes or deletes it.
    var botID: UserID?

    var isManaged: Bool { botID != nil }

    init(id: RoleID, name: String, permissions: Permissions, position: Int) {
        self.id = id
        self.name = name
        self.permissions = permissions
        self.position = position
    }

    /// What a gateway filters by.
    var view: RoleView { RoleView(id: id, permissions: permissions.rawValue) }

    /// Whether this role stands above `other`: by position; of two in one position, the older is higher.
    func isAbove(_ other: Role) -> Bool {
        position != other.position ? position > other.position : id < other.id
    }

    func encode(into writer: inout FieldWriter) {
        writer.write(1, Role.formatVersion)
        writer.write(2, id)
        writer.write(3, name)
        writer.write(4, permissions.rawValue)
        writer.write(5, position)
        writer.write(6, color)
        writer.write(7, ifPresent: secondaryColor.map(UInt64.init))
        writer.write(8, ifPresent: tertiaryColor.map(UInt64.init))
        writer.write(9, isHoisted)
        writer.write(10, isMentionable)
        writer.write(11, ifPresent: botID)
    }

    init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var id: RoleID?
        self.init(id: RoleID(rawValue: 0), name: "", permissions: [], position: 0)
        while let field = try reader.next() {
            switch field.number {
            case 1: try field.requireFormat(upTo: Role.formatVersion)
            case 2: id = try field.id()
            case 3: name = try field.string()
            case 4: permissions = Permissions(rawValue: try field.uint64())
            case 5: position = try field.int()
            case 6: color = try field.int()
            case 7: secondaryColor = try field.int()
            case 8: tertiaryColor = try field.int()
            case 9: isHoisted = try field.bool()
            case 10: isMentionable = try field.bool()
            case 11: botID = try field.id()
            default: break
            }
        }
        self.id = try id.required(2)
    }
}
