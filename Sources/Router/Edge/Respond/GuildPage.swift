import Identity

/// Which of a user's guilds `GET /users/@me/guilds` shows: `before`, `after`, `limit` and `with_counts`.
struct GuildPage: Equatable {
    static let maximumLimit = 200

    var before: GuildID?
    var after: GuildID?
    var limit = maximumLimit
    var withCounts = false

    init(query: [(name: String, value: String)]) throws(EdgeError) {
        for (name, value) in query {
            switch name {
            case "before", "after":
                guard let id = GuildID(value) else { throw .notSnowflake(name, value) }
                if name == "before" { before = id } else { after = id }
            case "limit":
                guard let limit = Int(value), (1...GuildPage.maximumLimit).contains(limit) else {
                    throw .invalidForm(
                        "limit", code: "NUMBER_TYPE_MAX", "int value should be between 1 and \(GuildPage.maximumLimit)."
                    )
                }
                self.limit = limit
            case "with_counts": withCounts = ["true", "True", "1"].contains(value)
            default: break
            }
        }
    }

    /// In ascending order: the first ones after `after`, or, with `before` alone, the last ones before it.
    func select(_ guilds: [GuildID]) -> [GuildID] {
        let inRange = guilds.sorted().filter { id in
            (before.map { id < $0 } ?? true) && (after.map { id > $0 } ?? true)
        }
        return Array(before != nil && after == nil ? inRange.suffix(limit) : inRange.prefix(limit))
    }
}
