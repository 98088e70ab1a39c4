import Identity
import NIOCore
import Testing
import Wire

@testable import Gateway

/// What a session waits for, and for how long.
extension SessionHostTests {
    @Test func aSessionWhoseUserDoesNotComeIsToldToTryAgain() {
        let recorder = makeRecorder()
        let host = SessionHost(source: recorder)
        let session = Session(identity: identity())
        session.sink = recorder
        host.begin(session)
        host.now = host.now + SessionHost.readyDeadline - .seconds(1)
        host.sweep()
        #expect(recorder.closed == nil)
        host.now = host.now + .seconds(1)
        host.sweep()
        #expect(recorder.closed == .unknownError)
        #expect(host.sessions.isEmpty && host.roots.isEmpty && host.pending.isEmpty)
    }

    @Test func aGuildThatDoesNotComeHoldsUpNothing() throws {
        let recorder = makeRecorder()
        let host = SessionHost(source: recorder)
        let session = Session(identity: identity())
        session.sink = recorder
        host.begin(session)
        guard case .snapshot(let user, _, let tag)? = recorder.requests.last else { throw Unexpected() }
        host.received(
            snapshot: World.user(guilds: [World.guild, World.otherGuild]).encoded(), of: user, number: number(100),
            tag: tag)
        let ready = try #require(recorder.sent.first).tail
        for guild in [World.guild, World.otherGuild] {
            #expect(ready.contains("{\"id\":\"\(guild)\",\"unavailable\":true}"))
        }
        #expect(recorder.types() == ["READY"])
        // Only the other guild's slot answers.
        let asked = recorder.requests.compactMap { request -> (RootEntity, UInt64)? in
            guard case .snapshot(let root, _, let tag) = request, case .guild = root else { return nil }
            return (root, tag)
        }
        #expect(asked.count == 2)
        for (root, tag) in asked where root == .guild(World.otherGuild) {
            host.received(
                snapshot: World.snapshot(World.otherGuild).encoded(), of: root, number: number(100), tag: tag)
        }
        #expect(recorder.types() == ["GUILD_CREATE"])
        host.now = host.now + .minutes(2)
        host.sweep()
        host.received(World.message("x", guild: World.otherGuild), number: number(101))
        #expect(recorder.types() == ["MESSAGE_CREATE"])
        for (root, tag) in asked where root == .guild(World.guild) {
            host.received(snapshot: World.snapshot().encoded(), of: root, number: number(100), tag: tag)
        }
        #expect(recorder.types() == ["GUILD_CREATE"])
        #expect(recorder.closed == nil)
    }

    private struct Unexpected: Error {}

    @Test func whatASessionAskedForIsForgottenWithIt() {
        let recorder = makeRecorder()
        let host = SessionHost(source: recorder)
        for salt in ["a", "b", "c"] {
            let session = Session(identity: identity(salt: salt))
            session.sink = recorder
            host.begin(session)
            host.end(session)
        }
        #expect(host.pending.isEmpty)
    }

    @Test(arguments: [(2500, 1, false), (2501, 1, true), (2501, 2, false)])
    func moreGuildsThanAShardMayHaveNeedMoreShards(_ guilds: Int, _ shards: Int, _ isRefused: Bool) throws {
        let recorder = makeRecorder()
        let host = SessionHost(source: recorder)
        let session = Session(identity: identity(count: shards))
        session.sink = recorder
        host.begin(session)
        guard case .snapshot(let user, _, let tag)? = recorder.requests.last else { throw Unexpected() }
        let ids = (1...guilds).map { GuildID(rawValue: UInt64($0) << 22) }
        host.received(snapshot: World.user(guilds: ids).encoded(), of: user, number: number(100), tag: tag)
        #expect(recorder.closed == (isRefused ? .shardingRequired : nil))
        #expect(recorder.types() == (isRefused ? [] : ["READY"]))
        #expect(host.sessions.isEmpty == isRefused)
    }

    @Test func sessionsWithoutClientMakeRoomForNewOnes() {
        let recorder = makeRecorder()
        let host = SessionHost(source: recorder)
        host.maximumSessions = 3
        let sessions = ["a", "b", "c", "d"].map { Session(identity: identity(salt: $0)) }
        for session in sessions[..<3] {
            session.sink = recorder
            host.begin(session)
        }
        sessions[2].detach(now: host.now)
        sessions[1].detach(now: host.now + .seconds(1))
        host.begin(sessions[3])
        #expect(Set(host.sessions.values.map(\.id)) == [sessions[0].id, sessions[1].id, sessions[3].id])
    }
}
