/// The paths of the operators' API, after `/admin/v1`.
enum AdminRoutes {
    static let all: [Route] = [
        Route(.GET, "/cluster", "admin_get_cluster", .router),
        Route(.GET, "/nodes", "admin_list_nodes", .router),
        Route(.GET, "/shards", "admin_list_shards", .router),
        Route(.GET, "/entities/{entity_id}", "admin_get_entity", .router),
        Route(.POST, "/users", "admin_create_user", .newSlot),
        Route(.POST, "/bots", "admin_create_bot", .newSlot),
        Route(.PUT, "/guilds/{guild_id}/bots/{bot_id}", "admin_add_bot", .parameter("guild_id")),
        Route(.POST, "/backup-steps", "admin_backup_step", .router),
        Route(.POST, "/verifications", "admin_verify", .router),
        Route(.PUT, "/test-clock", "admin_set_clock", .router),
        Route(.GET, "/log-level", "admin_get_log_level", .router),
        Route(.PUT, "/log-level", "admin_set_log_level", .router),
    ]
}
