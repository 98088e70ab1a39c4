import Domain
import Identity
import NIOCore
import Testing
import Wire

@testable import User

@Suite(.cheapHashes) struct GuildListTests {
    let cluster = TestCluster()
    let guilds = (1...3).map { GuildID(Snowflake(milliseconds: $0, slot: Slot(truncating: $0), sequence: 0)) }

    @Test func `joining and leaving change the list and tell the gateways once`() throws {
        let ann = try cluster.user("ann")
        let home = cluster.slot(ann.id.slot)
        home.events = []
        for guild in guilds.reversed() { try apply(.membershipAdded(user: ann.id, guild: guild, joinedAt: home.now)) }
        try apply(.membershipAdded(user: ann.id, guild: guilds[0], joinedAt: home.now))
        try apply(.membershipRemoved(user: ann.id, guild: guilds[1]))
        try apply(.membershipRemoved(user: ann.id, guild: guilds[1]))
        let list = try cluster.call("list_my_guild_ids", as: ann)
        #expect(list.body == #"["\#(guilds[0])","\#(guilds[2])"]"#)
        #expect(
            home.events.compactMap(\.change) == [
                .guildJoined(guilds[2]), .guildJoined(guilds[1]), .guildJoined(guilds[0]), .guildLeft(guilds[1]),
            ])
        #expect(home.events.allSatisfy { $0.root == .user(ann.id) && $0.type.isEmpty })
    }

    @Test func `a guild that is joined after a change of profile gets the present one`() throws {
        let ann = try cluster.user("ann")
        try apply(.membershipAdded(user: ann.id, guild: guilds[0], joinedAt: Timestamp(milliseconds: 0)))
        #expect(cluster.slot(ann.id.slot).effects.isEmpty)
        _ = try cluster.call("update_my_user", #"{"global_name":"Ann"}"#, as: ann)
        try cluster.settle()
        try apply(.membershipAdded(user: ann.id, guild: guilds[1], joinedAt: Timestamp(milliseconds: 0)))
        guard case .profileChanged(guilds[1], let profile)? = cluster.slot(ann.id.slot).effects.last?.effect else {
            Issue.record("the guild was not told")
            return
        }
        #expect(profile.globalName == "Ann")
    }

    @Test func `membership of a user who does not exist is dropped`() throws {
        let nobody = UserID(Snowflake(milliseconds: 1, slot: Slot(truncating: 5), sequence: 0))
        #expect(try apply(.membershipAdded(user: nobody, guild: guilds[0], joinedAt: Timestamp(milliseconds: 0))))
        #expect(cluster.slot(nobody.slot).rowCount(.user) == 0)
    }

    @Test func `the snapshot has profile, guilds and, for a bot, the application`() throws {
        let bot = try cluster.bot("Robby the Robot")
        try apply(.membershipAdded(user: bot.id, guild: guilds[0], joinedAt: Timestamp(milliseconds: 0)))
        let home = cluster.slot(bot.id.slot)
        let snapshot = try UserSnapshot(
            decoding: #require(try UserService.snapshot(of: .user(bot.id), for: bot.id, in: home)))
        #expect(snapshot.profile.username == "Robby the Robot")
        #expect(snapshot.guilds == [guilds[0]])
        #expect(String(buffer: try #require(snapshot.applicationJSON)).contains(#""flags":"#))
        #expect(try UserService.snapshot(of: .user(bot.id), for: UserID(rawValue: 1), in: home) == nil)
        let ann = try cluster.user("ann")
        let own = try UserSnapshot(
            decoding: #require(
                try UserService.snapshot(of: .user(ann.id), for: ann.id, in: cluster.slot(ann.id.slot))))
        #expect(own.applicationJSON == nil)
    }

    @discardableResult
    private func apply(_ effect: Effect) throws -> Bool {
        guard case .membershipAdded(let user, _, _) = effect else {
            guard case .membershipRemoved(let user, _) = effect else { return false }
            return try cluster.slot(user.slot).command { try UserService.apply(effect, in: $0) }
        }
        return try cluster.slot(user.slot).command { try UserService.apply(effect, in: $0) }
    }
}
