import Domain
import Identity
import NIOCore
import Wire

/// The payloads that a gateway makes itself, from snapshots; all others come encoded from the owner.
enum SessionPayloads {
    /// READY (Discord, "Ready"): guilds come unavailable, then each by GUILD_CREATE.
    static func ready(
        _ snapshot: UserSnapshot, for identity: Session.Identity, guilds: [GuildID], resumeURL: String
    ) -> ByteBuffer {
        var writer = JSONWriter(capacity: 1024 + 48 * guilds.count)
        writer.object {
            $0.member("v", identity.version)
            $0.member("user_settings", object: { _ in })
            $0.member("user", raw: snapshot.userJSON)
            $0.member("session_type", "normal")
            $0.member("session_id", identity.id.description)
            $0.member("resume_gateway_url", resumeURL)
            if identity.isSharded {
                $0.member(
                    "shard",
                    array: {
                        $0.integer(Int64(identity.shard))
                        $0.integer(Int64(identity.shardCount))
                    })
            }
            $0.member("relationships", array: { _ in })
            $0.member("private_channels", array: { _ in })
            $0.member("presences", array: { _ in })
            $0.member("guild_join_requests", array: { _ in })
            $0.member(
                "guilds",
                array: {
                    for guild in guilds {
                        $0.object {
                            $0.member("id", guild)
                            $0.member("unavailable", true)
                        }
                    }
                })
            $0.member("geo_ordered_rtc_regions", array: { _ in })
            if let application = snapshot.applicationJSON { $0.member("application", raw: application) }
            $0.member("_trace", array: { _ in })
        }
        return writer.buffer
    }

    /// The most members of a guild that GUILD_CREATE lists; above it, only the session's own (DESIGN §11).
    static let maximumListedMembers = 100_000

    /// GUILD_CREATE as one session sees it.
    static func guildCreate(
        _ snapshot: GuildSnapshot, member: MemberView, identity: Session.Identity, isVisible: (ChannelID) -> Bool
    ) -> ByteBuffer {
        // Without the presences intent, members are left to REQUEST_GUILD_MEMBERS, as in Discord.
        let listsAll =
            identity.intents & Intents.guildPresences != 0 && snapshot.memberCount <= maximumListedMembers
        let members = listsAll ? snapshot.members : [member]
        let channels = snapshot.channels.filter { isVisible($0.id) }
        let size = channels.reduce(members.reduce(0) { $0 + $1.json.readableBytes }) { $0 + $1.json.readableBytes }
        var writer = JSONWriter(capacity: snapshot.head.readableBytes + size + 512)
        writer.object {
            if snapshot.head.readableBytes > 0 { $0.raw(snapshot.head) }
            $0.member("joined_at", member.joinedAt)
            $0.member("large", snapshot.memberCount > identity.largeThreshold)
            $0.member("unavailable", false)
            $0.member("member_count", snapshot.memberCount)
            $0.member("voice_states", array: { _ in })
            $0.member("members", array: { for member in members { $0.raw(member.json) } })
            $0.member("channels", array: { for channel in channels { $0.raw(channel.json) } })
            $0.member("threads", array: { _ in })
            $0.member("presences", array: { _ in })
        }
        return writer.buffer
    }

    static func guildDelete(_ guild: GuildID) -> ByteBuffer {
        ByteBuffer(string: "{\"id\":\"\(guild)\"}")
    }

    /// A channel object of GUILD_CREATE as CHANNEL_CREATE and CHANNEL_DELETE show it: with its guild.
    static func channel(_ view: ChannelView, in guild: GuildID) -> ByteBuffer {
        var bytes = ByteBuffer(string: "{\"guild_id\":\"\(guild)\",")
        var rest = view.json
        rest.moveReaderIndex(forwardBy: min(1, rest.readableBytes))
        bytes.writeImmutableBuffer(rest)
        return bytes
    }
}
