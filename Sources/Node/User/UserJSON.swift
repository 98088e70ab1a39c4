import Domain
import Identity
import NIOCore
import Wire

extension JSONWriter {
    /// The private user object (`UserPIIResponse`), as its own user sees it.
    mutating func privateUser(_ account: Account) {
        object {
            $0.userMembers(account.profile, flags: account.flags)
            $0.member("mfa_enabled", false)
            $0.member("locale", account.locale)
            $0.member("premium_type", 0)
            $0.member("email", account.email)
            $0.member("verified", account.isBot || account.email != nil)
            $0.member("bio", "")
        }
    }

    /// The public user object (`UserResponse`).
    mutating func publicUser(_ profile: UserProfile) {
        object { $0.userMembers(profile, flags: profile.publicFlags) }
    }

    private mutating func userMembers(_ profile: UserProfile, flags: UInt64) {
        member("id", profile.id)
        member("username", profile.username)
        member("discriminator", "0")
        member("global_name", profile.globalName)
        member("avatar", profile.avatar)
        if profile.isBot { member("bot", true) }
        member("system", false)
        member("public_flags", Int(profile.publicFlags))
        member("flags", Int(flags))
        memberNull("banner")
        memberNull("accent_color")
        memberNull("avatar_decoration_data")
        memberNull("collectibles")
        memberNull("primary_guild")
    }

    /// The application object as its owner sees it (`PrivateApplicationResponse`).
    mutating func privateApplication(_ application: Application, of bot: UserProfile, guildCount: Int) {
        object {
            $0.member("id", bot.id)
            $0.member("name", application.name)
            $0.memberNull("icon")
            $0.member("description", application.description)
            $0.memberNull("type")
            $0.name("bot")
            $0.publicUser(bot)
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
            $0.name("owner")
            $0.publicUser(application.owner ?? bot)
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
func json(_ body: (inout JSONWriter) -> Void) -> ByteBuffer {
    var writer = JSONWriter()
    body(&writer)
    return writer.buffer
}
