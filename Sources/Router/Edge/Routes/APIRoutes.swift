/// The operations of the API that the edge knows, with the slot that each belongs to.
public enum APIRoutes {
    public static let all: [Route] = guild + channel + user + account

    private static let guild: [Route] = [
        Route(.POST, "/guilds", "create_guild", .newSlot),
        Route(.GET, "/guilds/{guild_id}", "get_guild", .parameter("guild_id")),
        Route(.PATCH, "/guilds/{guild_id}", "update_guild", .parameter("guild_id")),
        Route(.DELETE, "/guilds/{guild_id}", "delete_guild", .parameter("guild_id")),
        Route(.POST, "/guilds/{guild_id}/delete", "delete_guild", .parameter("guild_id")),
        Route(.GET, "/guilds/{guild_id}/channels", "list_guild_channels", .parameter("guild_id")),
        Route(.POST, "/guilds/{guild_id}/channels", "create_guild_channel", .parameter("guild_id")),
        Route(.PATCH, "/guilds/{guild_id}/channels", "bulk_update_guild_channels", .parameter("guild_id")),
        Route(.GET, "/guilds/{guild_id}/members", "list_guild_members", .parameter("guild_id")),
        Route(.PATCH, "/guilds/{guild_id}/members/@me", "update_my_guild_member", .parameter("guild_id")),
        Route(.GET, "/guilds/{guild_id}/members/{user_id}", "get_guild_member", .parameter("guild_id")),
        Route(.PATCH, "/guilds/{guild_id}/members/{user_id}", "update_guild_member", .parameter("guild_id")),
        Route(.DELETE, "/guilds/{guild_id}/members/{user_id}", "delete_guild_member", .parameter("guild_id")),
        Route(
            .PUT, "/guilds/{guild_id}/members/{user_id}/roles/{role_id}", "add_guild_member_role",
            .parameter("guild_id")),
        Route(
            .DELETE, "/guilds/{guild_id}/members/{user_id}/roles/{role_id}", "delete_guild_member_role",
            .parameter("guild_id")),
        Route(.GET, "/guilds/{guild_id}/roles", "list_guild_roles", .parameter("guild_id")),
        Route(.POST, "/guilds/{guild_id}/roles", "create_guild_role", .parameter("guild_id")),
        Route(.PATCH, "/guilds/{guild_id}/roles", "bulk_update_guild_roles", .parameter("guild_id")),
        Route(.GET, "/guilds/{guild_id}/roles/{role_id}", "get_guild_role", .parameter("guild_id")),
        Route(.PATCH, "/guilds/{guild_id}/roles/{role_id}", "update_guild_role", .parameter("guild_id")),
        Route(.DELETE, "/guilds/{guild_id}/roles/{role_id}", "delete_guild_role", .parameter("guild_id")),
        Route(.GET, "/guilds/{guild_id}/invites", "list_guild_invites", .parameter("guild_id")),
        Route(.GET, "/invites/{code}", "invite_resolve", .invite, access: .optionalToken),
        Route(.POST, "/invites/{code}", "accept_invite", .invite),
        Route(.DELETE, "/invites/{code}", "invite_revoke", .invite),
    ]

    private static let channel: [Route] = [
        Route(.GET, "/channels/{channel_id}", "get_channel", .parameter("channel_id")),
        Route(.PATCH, "/channels/{channel_id}", "update_channel", .parameter("channel_id")),
        Route(.DELETE, "/channels/{channel_id}", "delete_channel", .parameter("channel_id")),
        Route(
            .PUT, "/channels/{channel_id}/permissions/{overwrite_id}", "set_channel_permission_overwrite",
            .parameter("channel_id")),
        Route(
            .DELETE, "/channels/{channel_id}/permissions/{overwrite_id}", "delete_channel_permission_overwrite",
            .parameter("channel_id")),
        Route(.GET, "/channels/{channel_id}/invites", "list_channel_invites", .parameter("channel_id")),
        Route(.POST, "/channels/{channel_id}/invites", "create_channel_invite", .parameter("channel_id")),
        Route(.GET, "/channels/{channel_id}/messages", "list_messages", .parameter("channel_id")),
        Route(.POST, "/channels/{channel_id}/messages", "create_message", .parameter("channel_id")),
        Route(.POST, "/channels/{channel_id}/messages/bulk-delete", "bulk_delete_messages", .parameter("channel_id")),
        Route(.GET, "/channels/{channel_id}/messages/{message_id}", "get_message", .parameter("channel_id")),
        Route(.PATCH, "/channels/{channel_id}/messages/{message_id}", "update_message", .parameter("channel_id")),
        Route(.DELETE, "/channels/{channel_id}/messages/{message_id}", "delete_message", .parameter("channel_id")),
        // Typing leaves nothing behind that a request id could protect.
        Route(
            .POST, "/channels/{channel_id}/typing", "trigger_typing_indicator", .parameter("channel_id"),
            isMutating: false),
    ]

    private static let user: [Route] = [
        Route(.GET, "/users/@me", "get_my_user", .actor),
        Route(.PATCH, "/users/@me", "update_my_user", .actor),
        Route(.GET, "/users/@me/guilds", "list_my_guilds", .router),
        Route(.DELETE, "/users/@me/guilds/{guild_id}", "leave_guild", .parameter("guild_id")),
        Route(.GET, "/users/@me/guilds/{guild_id}/member", "get_my_guild_member", .parameter("guild_id")),
        Route(.GET, "/users/{user_id}", "get_user", .parameter("user_id")),
        Route(.GET, "/applications/@me", "get_my_application", .actor),
        Route(.GET, "/oauth2/applications/@me", "get_my_oauth2_application", .actor),
        Route(.POST, "/oauth2/authorize", "authorize_bot", .bodyGuild),
    ]

    private static let account: [Route] = [
        Route(.POST, "/auth/register", "register", .newSlot, access: .anyone),
        Route(.POST, "/auth/login", "login", .router, access: .anyone),
        Route(.POST, "/auth/logout", "logout", .actor),
        Route(.GET, "/gateway", "get_gateway", .router, access: .anyone),
        Route(.GET, "/gateway/bot", "get_bot_gateway", .router),
    ]
}
