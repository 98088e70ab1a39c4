import NIOHTTP1

/// One operation of the API, as the edge sees it: where its path leads and what it asks of the caller.
public struct Route: Sendable {
    /// Which slot owns what the operation is about (DESIGN §3).
    public enum Owner: Sendable, Hashable {
        /// The slot in the path parameter of this name, a snowflake.
        case parameter(String)
        /// The slot in the path parameter `code`, an invite's.
        case invite
        /// The slot of the user who asks.
        case actor
        /// A new root entity: the router picks its slot.
        case newSlot
        /// The slot of the JSON body's `guild_id`.
        case bodyGuild
        /// Composed of several calls, or answered here.
        case router
    }

    /// Who may ask.
    public enum Access: Sendable, Hashable {
        case anyone
        /// A token is not needed, but a given one must hold.
        case optionalToken
        case token
    }

    /// The operationId of Discord's OpenAPI document, or ours for what it lacks.
    public let operation: String
    public let method: HTTPMethod
    /// The path after the version, as in `/channels/{channel_id}`.
    public let template: String
    public let owner: Owner
    public let access: Access
    /// The request changes state: it is stamped with a request id.
    public let isMutating: Bool

    public init(
        _ method: HTTPMethod, _ template: String, _ operation: String, _ owner: Owner, access: Access = .token,
        isMutating: Bool? = nil
    ) {
        self.operation = operation
        self.method = method
        self.template = template
        self.owner = owner
        self.access = access
        self.isMutating = isMutating ?? (method != .GET)
    }
}
