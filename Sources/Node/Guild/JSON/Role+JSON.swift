import Domain

extension JSONWriter {
    /// GuildRoleResponse of the OpenAPI document.
    mutating func role(_ role: Role) {
        object { json in
            json.member("id", role.id)
            json.member("name", role.name)
            json.member("permissions", bits: role.permissions.rawValue)
            json.member("position", role.position)
            json.member("color", role.color)
            json.member(
                "colors",
                object: {
                    $0.member("primary_color", role.color)
                    $0.member("secondary_color", role.secondaryColor)
                    $0.member("tertiary_color", role.tertiaryColor)
                })
            json.member("hoist", role.isHoisted)
            json.member("managed", role.isManaged)
            json.member("mentionable", role.isMentionable)
            json.memberNull("icon")
            json.memberNull("unicode_emoji")
            json.member("flags", 0)
            if let bot = role.botID { json.member("tags", object: { $0.member("bot_id", bot) }) }
        }
    }
}
