import Domain
import Identity
import NIOCore
import Testing
import Wire

@testable import Gateway

/// Sessions that come from another gateway while their guilds go on.
extension SessionHostTests {
    /// A session that has moved to a new host; its guild's snapshot there is at 103, its last event was 100.
    private func moved(
        from first: GuildSnapshot = World.snapshot(), to second: GuildSnapshot = World.snapshot()
    ) throws -> (SessionHost, Session, Recorder, fetch: UInt64) {
        let (old, session, _) = live(guild: first)
        let record = try SessionRecord(decoding: old.export(session).encoded())
        let recorder = makeRecorder()
        let host = SessionHost(source: recorder)
        let moved = record.makeSession(now: .uptimeNanoseconds(0))
        host.take(moved)
        #expect(moved.resume(after: 2, sink: recorder, now: .uptimeNanoseconds(0)))
        #expect(recorder.types() == ["RESUMED"])
        answer(host, recorder, guild: second, at: 103)
        var tag: UInt64 = 0
        for request in recorder.requests {
            if case .fetch(.guild, _, _, let fetch) = request { tag = fetch }
        }
        #expect(tag != 0)
        return (host, moved, recorder, tag)
    }

    private func fetched(_ host: SessionHost, _ events: [Event], _ tag: UInt64) {
        let numbered = events.enumerated().map { NumberedEvent(number: number(101 + UInt64($0)), event: $1) }
        host.received(fetched: numbered, of: .guild(World.guild), tag: tag)
    }

    private func memberUpdate(_ roles: [RoleID]) -> Event {
        Event(
            type: "GUILD_MEMBER_UPDATE", root: .guild(World.guild), intents: Intents.guildMembers,
            payload: ByteBuffer(string: "{}"), change: .member(World.member(World.bot, roles: roles)))
    }

    private func channelDelete(_ channel: ChannelID) -> Event {
        Event(
            type: "CHANNEL_DELETE", root: .guild(World.guild), audience: .channel(channel), intents: Intents.guilds,
            payload: ByteBuffer(string: "{}"), change: .channelDeleted(channel))
    }

    private func without(_ channel: ChannelID) -> GuildSnapshot {
        var snapshot = World.snapshot()
        snapshot.channels.removeAll { $0.id == channel }
        return snapshot
    }

    private var promoted: GuildSnapshot {
        World.snapshot(members: [World.member(World.bot, roles: [World.staff]), World.member(World.owner)])
    }

    @Test func aMemberRemovedWhileCatchingUpGetsNothingMore() throws {
        let (host, session, recorder, tag) = try moved()
        host.received(
            Event(
                type: "GUILD_MEMBER_REMOVE", root: .guild(World.guild), intents: Intents.guildMembers,
                payload: ByteBuffer(string: "{}"), change: .memberRemoved(World.bot)), number: number(104))
        host.received(World.message("secret"), number: number(105))
        fetched(host, [World.message("old")], tag)
        host.received(World.message("secret"), number: number(106))
        #expect(recorder.types().isEmpty)
        #expect(host.roots[.guild(World.guild)]?.audience?.sessions.isEmpty == true)
        host.left(session, World.guild)
        #expect(recorder.types() == ["GUILD_DELETE"])
    }

    @Test func aChannelDeletedWhileTheSessionMovedIsTold() throws {
        let (host, _, recorder, tag) = try moved(to: without(World.open))
        fetched(host, [channelDelete(World.open)], tag)
        #expect(recorder.types() == ["CHANNEL_DELETE"])
    }

    @Test func theEndOfAChannelThatItNeverSawIsNotTold() throws {
        let (host, _, recorder, tag) = try moved(to: without(World.hidden))
        fetched(host, [channelDelete(World.hidden)], tag)
        #expect(recorder.types().isEmpty)
    }

    @Test func channelsThatAppearedWhileItMovedAreTold() throws {
        let (host, _, recorder, tag) = try moved(to: promoted)
        fetched(host, [memberUpdate([World.staff])], tag)
        #expect(recorder.sent.last?.tail.contains("\"id\":\"\(World.hidden)\"") == true)
        #expect(recorder.types() == ["GUILD_MEMBER_UPDATE", "CHANNEL_CREATE"])
    }

    @Test func channelsThatVanishedWhileItMovedAreTold() throws {
        let (host, _, recorder, tag) = try moved(from: promoted, to: World.snapshot())
        fetched(host, [memberUpdate([])], tag)
        #expect(recorder.types() == ["GUILD_MEMBER_UPDATE", "CHANNEL_DELETE"])
    }

    @Test func aChannelMadeWhileItMovedIsToldOnce() throws {
        let made = World.channel(ChannelID(rawValue: 503))
        var snapshot = World.snapshot()
        snapshot.channels.append(made)
        let (host, _, recorder, tag) = try moved(to: snapshot)
        fetched(
            host,
            [
                Event(
                    type: "CHANNEL_CREATE", root: .guild(World.guild), audience: .channel(made.id),
                    intents: Intents.guilds, payload: ByteBuffer(string: "{}"), change: .channel(made))
            ], tag)
        #expect(recorder.types() == ["CHANNEL_CREATE"])
    }

    @Test func whatHappensMeanwhileComesAfterwardsInOrder() throws {
        let (host, _, recorder, tag) = try moved()
        host.received(World.message("new"), number: number(104))
        host.received(memberUpdate([World.staff]), number: number(105))
        host.received(World.message("new", in: World.hidden), number: number(106))
        host.received(channelDelete(World.hidden), number: number(107))
        #expect(recorder.types().isEmpty)
        fetched(host, [World.message("old")], tag)
        #expect(
            recorder.types() == [
                "MESSAGE_CREATE", "MESSAGE_CREATE", "GUILD_MEMBER_UPDATE", "CHANNEL_CREATE", "MESSAGE_CREATE",
                "CHANNEL_DELETE",
            ])
    }

    @Test func aSessionThatMovesOnBeforeItHasCaughtUpTakesWhatItSawAlong() throws {
        let (host, session, _, _) = try moved(to: promoted)
        let record = host.export(session)
        let guild = try #require(record.roots.first { $0.entity == .guild(World.guild) })
        #expect(guild.after == number(100))
        #expect(guild.seen == [World.open])
    }

    @Test func aSessionThatHoldsBackTooMuchIsInvalid() throws {
        let (host, session, recorder, _) = try moved()
        for index in 0...UInt64(Session.maximumHeld) {
            #expect(!recorder.isInvalidated)
            host.received(World.message("x"), number: number(104 + index))
        }
        #expect(recorder.isInvalidated)
        #expect(host.sessions[session.id] == nil)
    }
}
