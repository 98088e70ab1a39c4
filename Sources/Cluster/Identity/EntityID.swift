/// A snowflake that says what it names, so that a channel's id cannot stand where a guild's is meant.
public struct EntityID<Kind>: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let snowflake: Snowflake

    public init(_ snowflake: Snowflake) { self.snowflake = snowflake }
    public init(rawValue: UInt64) { snowflake = Snowflake(rawValue: rawValue) }
    /// Parses a decimal id; `nil` when it is not one.
    public init?(_ text: some StringProtocol) {
        guard let snowflake = Snowflake(text) else { return nil }
        self.snowflake = snowflake
    }

    public var rawValue: UInt64 { snowflake.rawValue }
    /// The slot of the root entity that this id was minted in.
    public var slot: Slot { snowflake.slot }
    public static func < (left: EntityID, right: EntityID) -> Bool { left.snowflake < right.snowflake }
    public var description: String { snowflake.description }
}

/// Ids arrive as JSON strings, and from some libraries as JSON integers; they leave as strings.
extension EntityID: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self) {
            guard let snowflake = Snowflake(text) else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a snowflake")
            }
            self.init(snowflake)
        } else {
            self.init(rawValue: try container.decode(UInt64.self))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// Tags for ``EntityID``; never instantiated.
public enum EntityKind {
    public enum Guild {}
    public enum Channel {}
    public enum Message {}
    public enum User {}
    public enum Role {}
    public enum Application {}
}

public typealias GuildID = EntityID<EntityKind.Guild>
public typealias ChannelID = EntityID<EntityKind.Channel>
public typealias MessageID = EntityID<EntityKind.Message>
public typealias UserID = EntityID<EntityKind.User>
public typealias RoleID = EntityID<EntityKind.Role>
/// An application and its bot user share one id, as in Discord since 2016.
public typealias ApplicationID = EntityID<EntityKind.Application>

/// A root entity: what a slot holds as one unit, and what gateways subscribe to.
public enum RootEntity: Hashable, Sendable {
    case guild(GuildID)
    case user(UserID)

    public var snowflake: Snowflake {
        switch self {
        case .guild(let id): id.snowflake
        case .user(let id): id.snowflake
        }
    }

    public var slot: Slot { snowflake.slot }
}
