import Domain
import Identity
import NIOCore
import Wire

extension JSONWriter {
    /// The private user object (`UserPIIResponse`), as its own user sees it.
    mutating func privateUser(_ account: Account) {
        object { $0.privateUserMembers(account) }
    }

    /// The members of ``privateUser(_:)`` without its braces.
    mutating func privateUserMembers(_ account: Account) {
        userMembers(account.profile)
        member("mfa_enabled", false)
        member("locale", account.locale)
        member("premium_type", 0)
        member("email", account.email)
        member("verified", account.isBot || account.email != nil)
        member("bio", "")
    }

    /// The application object as its owner sees it (`PrivateApplicationResponse`).
    mutating func privateApplication(_ application: Application, of bot: UserProfile, guildCount: Int) {
        object {
            $0.member("id", bot.id)
            $0.member("name", application.name)
            $0.memberNull("icon")
            $0.member("description", application.description)
            $0.memberNull("type")
            $0.member("bot", user: bot)
            $0.member("bot_public", application.isPublic)
            $0.member("bot_require_code_grant", false)
            // Interactions over HTTP are not served, so nothing is ever signed with this key.
            $0.member("verify_key", String(repeating: "0", count: 64))
            $0.member("flags", application.flags)
            $0.member("flags_new", String(application.flags))
            $0.member("tags", array: { _ in })
            $0.member("redirect_uris", array: { _ in })
            $0.memberNull("interactions_endpoint_url")
            $0.memberNull("role_connections_verification_url")
            // A bot without an owner is the operator's; libraries need somebody there, and take the bot itself.
            $0.member("owner", user: application.owner ?? bot)
            $0.member("approximate_guild_count", guildCount)
            $0.member("approximate_user_install_count", 0)
            $0.member("approximate_user_authorization_count", 0)
            $0.member("explicit_content_filter", 0)
            $0.memberNull("team")
            $0.member("integration_types_config", object: { $0.member("0", object: { _ in }) })
            $0.member(
                "eligible_oauth2_scopes", array: { for scope in ["applications.commands", "bot"] { $0.string(scope) } })
        }
    }
}

/// Builds one JSON text.
func json(_ write: (inout JSONWriter) -> Void) -> ByteBuffer {
    var writer = JSONWriter()
    write(&writer)
    return writer.buffer
}
