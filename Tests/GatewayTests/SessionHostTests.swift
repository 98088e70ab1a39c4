import Domain
import Foundation
import Identity
import NIOCore
import Testing
import Wire

@testable import Gateway

/// Sessions and views of one loop, without sockets and without a guild node.
@Suite struct SessionHostTests {
    /// Records what a host asks for, and what its sessions send.
    final class Recorder: RootSource, SessionSink {
        var requests: [FollowRequest] = []
        var sent: [(sequence: Int, tail: String)] = []
        var isInvalidated = false
        var closed: GatewayCloseCode?

        func follow(_ root: RootEntity, intents: UInt64) { requests.append(.follow(root: root, intents: intents)) }
        func unfollow(_ root: RootEntity) { requests.append(.unfollow(root: root)) }
        func snapshot(_ root: RootEntity, user: UserID, tag: UInt64) {
            requests.append(.snapshot(root: root, user: user, tag: tag))
        }
        func fetch(_ root: RootEntity, after: EventNumber, through: EventNumber, tag: UInt64) {
            requests.append(.fetch(root: root, after: after, through: through, tag: tag))
        }
        func deliver(_ dispatch: Dispatch, sequence: Int) { sent.append((sequence, String(buffer: dispatch.tail))) }
        func invalidated() { isInvalidated = true }
        func close(_ code: GatewayCloseCode) { closed = code }

        /// The types of the dispatches since the last call.
        func types() -> [String] {
            defer { sent.removeAll() }
            return sent.map { String($0.tail.split(separator: "\"")[2]) }
        }
    }

    /// Holds the recorders: a host does not own its source.
    final class Recorders {
        var all: [Recorder] = []
    }
    let recorders = Recorders()

    func makeRecorder() -> Recorder {
        let recorder = Recorder()
        recorders.all.append(recorder)
        return recorder
    }

    func number(_ index: UInt64) -> EventNumber {
        EventNumber(index: LogIndex(rawValue: index), ordinal: 0)
    }

    func identity(
        _ user: UserID = World.bot, intents: UInt64 = World.allIntents, shard: Int = 0, count: Int = 1,
        salt: String = "a"
    ) -> Session.Identity {
        Session.Identity(
            id: SessionID(String(repeating: salt, count: 32) + "67617465776179")!,
            actor: Actor(profile: UserProfile(id: user, username: "robot", isBot: true), tokenID: 4711),
            intents: intents, version: 10, shard: shard, shardCount: count, isSharded: count > 1, largeThreshold: 50)
    }

    /// Answers every snapshot that was asked for.
    func answer(
        _ host: SessionHost, _ recorder: Recorder, guild: GuildSnapshot? = World.snapshot(), at index: UInt64 = 100
    ) {
        while let position = recorder.requests.firstIndex(where: { if case .snapshot = $0 { true } else { false } }) {
            guard case .snapshot(let root, let user, let tag) = recorder.requests.remove(at: position) else { return }
            switch root {
            case .user: host.received(snapshot: World.user(user).encoded(), of: root, number: number(index), tag: tag)
            case .guild:
                if let guild {
                    host.received(snapshot: guild.encoded(), of: root, number: number(index), tag: tag)
                } else {
                    host.received(unknown: root, tag: tag)
                }
            }
        }
    }

    func live(
        intents: UInt64 = World.allIntents, guild: GuildSnapshot = World.snapshot()
    ) -> (SessionHost, Session, Recorder) {
        let recorder = makeRecorder()
        let host = SessionHost(source: recorder)
        let session = Session(identity: identity(intents: intents))
        session.sink = recorder
        host.begin(session)
        answer(host, recorder, guild: guild)
        #expect(recorder.types() == (intents & Intents.guilds != 0 ? ["READY", "GUILD_CREATE"] : ["READY"]))
        return (host, session, recorder)
    }

    @Test func eventsUpToTheSnapshotAreNotSentAgain() {
        let (host, _, recorder) = live()
        host.received(World.message("old"), number: number(100))
        host.received(World.message("new"), number: number(101))
        host.received(World.message("new again"), number: number(101))
        #expect(recorder.types() == ["MESSAGE_CREATE"])
    }

    @Test func withoutTheIntentThereIsNoEventAndWithoutContentItIsRedacted() {
        let (host, _, recorder) = live(intents: Intents.guilds)
        host.received(World.message("hidden"), number: number(101))
        #expect(recorder.types().isEmpty)
        let (second, _, other) = live(intents: Intents.guilds | Intents.guildMessages)
        second.received(World.message("hidden"), number: number(101))
        second.received(World.message("mentioned", readers: [World.bot]), number: number(102))
        #expect(other.sent.map { $0.tail.contains("hidden") || $0.tail.contains("mentioned") } == [false, true])
    }

    @Test func aRoleMakesAChannelAppearAndVanish() {
        let (host, _, recorder) = live()
        host.received(World.message("x", in: World.hidden), number: number(101))
        #expect(recorder.types().isEmpty)
        func update(_ roles: [RoleID]) -> Event {
            Event(
                type: "GUILD_MEMBER_UPDATE", root: .guild(World.guild), intents: Intents.guildMembers,
                payload: ByteBuffer(string: "{}"), change: .member(World.member(World.bot, roles: roles)))
        }
        host.received(update([World.staff]), number: number(102))
        host.received(World.message("x", in: World.hidden), number: number(103))
        #expect(recorder.types() == ["GUILD_MEMBER_UPDATE", "CHANNEL_CREATE", "MESSAGE_CREATE"])
        host.received(update([]), number: number(104))
        host.received(World.message("x", in: World.hidden), number: number(105))
        #expect(recorder.types() == ["GUILD_MEMBER_UPDATE", "CHANNEL_DELETE"])
    }

    @Test func anOverwriteForTheMemberAloneCounts() {
        let (host, _, recorder) = live()
        let view = Permissions.viewChannel.rawValue
        let change = World.channel(
            World.hidden,
            overwrites: [
                Overwrite(id: World.guild.snowflake, isMember: false, allow: 0, deny: view),
                Overwrite(id: World.bot.snowflake, isMember: true, allow: view, deny: 0),
            ])
        host.received(
            Event(
                type: "CHANNEL_UPDATE", root: .guild(World.guild), audience: .channel(World.hidden),
                intents: Intents.guilds, payload: ByteBuffer(string: "{}"), change: .channel(change)),
            number: number(101))
        host.received(World.message("x", in: World.hidden), number: number(102))
        #expect(recorder.types() == ["CHANNEL_CREATE", "MESSAGE_CREATE"])
    }

    @Test func theEndOfAChannelIsToldToThoseWhoSawIt() {
        let (host, _, recorder) = live()
        for (index, channel) in [World.open, World.hidden].enumerated() {
            host.received(
                Event(
                    type: "CHANNEL_DELETE", root: .guild(World.guild), audience: .channel(channel),
                    intents: Intents.guilds, payload: ByteBuffer(string: "{}"), change: .channelDeleted(channel)),
                number: number(101 + UInt64(index)))
        }
        #expect(recorder.types() == ["CHANNEL_DELETE"])
    }

    @Test func aRemovedMemberGetsNothingMoreAndThenGuildDelete() {
        let (host, session, recorder) = live()
        host.received(
            Event(
                type: "GUILD_MEMBER_REMOVE", root: .guild(World.guild), intents: Intents.guildMembers,
                payload: ByteBuffer(string: "{}"), change: .memberRemoved(World.bot)), number: number(101))
        host.received(World.message("secret"), number: number(102))
        #expect(recorder.types().isEmpty)
        host.received(
            Event(type: "", root: .user(World.bot), payload: ByteBuffer(), change: .guildLeft(World.guild)),
            number: number(101))
        #expect(recorder.types() == ["GUILD_DELETE"])
        #expect(session.guilds.isEmpty)
        #expect(host.roots[.guild(World.guild)] == nil)
    }

    @Test func aJoinedGuildComesByItsSnapshot() {
        let (host, _, recorder) = live()
        host.received(
            Event(type: "", root: .user(World.bot), payload: ByteBuffer(), change: .guildJoined(World.otherGuild)),
            number: number(101))
        answer(host, recorder, guild: World.snapshot(World.otherGuild))
        #expect(recorder.types() == ["GUILD_CREATE"])
    }

    @Test func aShardHasItsGuildsOnly() {
        let recorder = makeRecorder()
        let host = SessionHost(source: recorder)
        // The guild's number is 1000: even.
        let session = Session(identity: identity(shard: 1, count: 2))
        session.sink = recorder
        host.begin(session)
        answer(host, recorder)
        #expect(recorder.types() == ["READY"])
        #expect(session.guilds.isEmpty)
    }

    @Test func revokedTokensCloseTheirSessions() {
        let (host, session, recorder) = live()
        host.received(
            Event(type: "", root: .user(World.bot), payload: ByteBuffer(), change: .tokensRevoked([1])),
            number: number(101))
        #expect(recorder.closed == nil)
        host.received(
            Event(type: "", root: .user(World.bot), payload: ByteBuffer(), change: .tokensRevoked([4711])),
            number: number(102))
        #expect(recorder.closed == .authenticationFailed)
        #expect(host.sessions[session.id] == nil)
        #expect(host.roots.isEmpty)
    }

    @Test func aLostGuildInvalidatesItsSessions() {
        let (host, _, recorder) = live()
        host.lost(.guild(World.guild))
        #expect(recorder.isInvalidated)
        #expect(host.sessions.isEmpty)
    }

    @Test func aMovedSessionCatchesUpInOrderThroughItsRecord() throws {
        let (first, session, _) = live()
        first.received(World.message("seen"), number: number(101))
        let record = try SessionRecord(decoding: first.export(session).encoded())
        #expect(first.sessions.isEmpty)

        let recorder = makeRecorder()
        let host = SessionHost(source: recorder)
        let moved = record.makeSession(now: .uptimeNanoseconds(0))
        host.take(moved)
        #expect(moved.resume(after: 2, sink: recorder, now: .uptimeNanoseconds(0)))
        #expect(recorder.types() == ["MESSAGE_CREATE", "RESUMED"])
        // 102 and 103 happened in between; 104 comes while they are fetched.
        answer(host, recorder, at: 103)
        host.received(World.message("104"), number: number(104))
        #expect(recorder.types().isEmpty)
        for request in recorder.requests {
            guard case .fetch(let root, let after, let through, let tag) = request else { continue }
            #expect(through == number(103))
            switch root {
            case .user:
                #expect(after == number(100))
                host.received(fetched: [], of: root, tag: tag)
            case .guild:
                #expect(after == number(101))
                host.received(
                    fetched: [102, 103].map { NumberedEvent(number: number($0), event: World.message("\($0)")) },
                    of: root, tag: tag)
            }
        }
        host.received(World.message("105"), number: number(105))
        #expect(
            recorder.sent.map { $0.tail.split(separator: "\"").suffix(2).first ?? "" } == ["102", "103", "104", "105"])
        #expect(recorder.sent.map(\.sequence) == [5, 6, 7, 8])
    }

    @Test func aMovedSessionWhoseEventsAreGoneIsInvalid() throws {
        let (first, session, _) = live()
        let record = first.export(session)
        let recorder = makeRecorder()
        let host = SessionHost(source: recorder)
        let moved = record.makeSession(now: .uptimeNanoseconds(0))
        moved.sink = recorder
        host.take(moved)
        answer(host, recorder, at: 103)
        for request in recorder.requests {
            if case .fetch(let root, _, _, let tag) = request { host.received(gapOf: root, tag: tag) }
        }
        #expect(recorder.isInvalidated)
    }

    @Test func aGuildThatEndedWhileTheSessionMovedIsDeleted() {
        let (first, session, _) = live()
        let record = first.export(session)
        let recorder = makeRecorder()
        let host = SessionHost(source: recorder)
        let moved = record.makeSession(now: .uptimeNanoseconds(0))
        moved.sink = recorder
        host.take(moved)
        answer(host, recorder, guild: nil)
        #expect(recorder.types() == ["GUILD_DELETE"])
    }

    @Test func aSessionThatNobodyResumesEnds() {
        let (host, session, _) = live()
        session.detach(now: .uptimeNanoseconds(0))
        host.now = .uptimeNanoseconds(0) + Session.resumeWindow - .seconds(1)
        host.sweep()
        #expect(host.sessions.count == 1)
        host.now = host.now + .seconds(2)
        host.sweep()
        #expect(host.sessions.isEmpty)
    }
}
