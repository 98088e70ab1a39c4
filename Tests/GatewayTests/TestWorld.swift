import Coordination
import Domain
import Foundation
import Identity
import Logging
import NIOCore
import Placement
import Routing
import Testing
import Transport
import Wire

@testable import Gateway

/// Ids and objects that the tests share.
enum World {
    static let secret = TokenSecret(bytes: [UInt8](repeating: 7, count: 32))
    static let guild = GuildID(rawValue: 1000 << 22)
    static let otherGuild = GuildID(rawValue: 1001 << 22)
    static let bot = UserID(rawValue: 77)
    static let owner = UserID(rawValue: 88)
    static let open = ChannelID(rawValue: 501)
    static let hidden = ChannelID(rawValue: 502)
    static let staff = RoleID(rawValue: 601)
    static let botToken = Token(userID: bot, tokenID: 4711)

    static func member(_ user: UserID, roles: [RoleID] = []) -> MemberView {
        MemberView(
            userID: user, roles: roles, joinedAt: Timestamp(milliseconds: 1_700_000_000_000),
            json: ByteBuffer(string: #"{"user":{"id":"\#(user)","username":"user\#(user)"},"roles":[]}"#))
    }

    static func channel(_ id: ChannelID, overwrites: [Overwrite] = []) -> ChannelView {
        ChannelView(id: id, overwrites: overwrites, json: ByteBuffer(string: #"{"id":"\#(id)","type":0}"#))
    }

    /// `hidden` is for staff.
    static func snapshot(_ guild: GuildID = World.guild, members: [MemberView]? = nil) -> GuildSnapshot {
        let view = Permissions.viewChannel.rawValue
        return GuildSnapshot(
            id: guild, owner: owner,
            roles: [RoleView(id: RoleID(guild.snowflake), permissions: view), RoleView(id: staff, permissions: view)],
            channels: [
                channel(open),
                channel(
                    hidden,
                    overwrites: [
                        Overwrite(id: guild.snowflake, isMember: false, allow: 0, deny: view),
                        Overwrite(id: staff.snowflake, isMember: false, allow: view, deny: 0),
                    ]),
            ],
            head: ByteBuffer(string: #""id":"\#(guild)","name":"A guild","roles":[]"#),
            members: members ?? [member(bot), member(owner)], memberCount: 2)
    }

    static func user(_ id: UserID = bot, isBot: Bool = true, guilds: [GuildID] = [guild]) -> UserSnapshot {
        UserSnapshot(
            profile: UserProfile(id: id, username: "robot", isBot: isBot),
            userJSON: ByteBuffer(string: #"{"id":"\#(id)","username":"robot"}"#),
            applicationJSON: ByteBuffer(string: #"{"id":"\#(id)","flags":0}"#), guilds: guilds)
    }

    static func message(
        _ text: String, in channel: ChannelID = open, guild: GuildID = World.guild, readers: [UserID] = []
    ) -> Event {
        Event(
            type: "MESSAGE_CREATE", root: .guild(guild), audience: .channel(channel), intents: Intents.guildMessages,
            payload: ByteBuffer(string: #"{"channel_id":"\#(channel)","content":"\#(text)"}"#),
            redactedPayload: ByteBuffer(string: #"{"channel_id":"\#(channel)","content":""}"#), contentReaders: readers)
    }

    static let allIntents: UInt64 = 53_739_519

    static func identify(
        token: String = botToken.signed(with: secret), intents: UInt64 = allIntents, more: String = ""
    ) -> String {
        #"{"op":2,"d":{"token":"\#(token)","intents":\#(intents),"properties":{"os":"linux"}\#(more)}}"#
    }

    static func resume(_ session: String, sequence: Int, token: String = botToken.signed(with: secret)) -> String {
        #"{"op":6,"d":{"token":"\#(token)","session_id":"\#(session)","seq":\#(sequence)}}"#
    }
}

/// A gateway role with everything around it in memory, but for its own sockets.
struct TestGateway {
    let role: GatewayRole
    let port: Int
    let record: NodeRecord
    let membership: FakeMembership

    /// - Parameters:
    ///   - membership: the gateways that know each other; this one joins them.
    ///   - journalWait: long, since what a busy machine does not journal in time is not there after a crash.
    static func start(
        _ name: String, at guildNode: FakeGuildNode, among membership: FakeMembership = FakeMembership(),
        maximumOutputBytes: Int = 16 << 20, journalWait: TimeAmount = .minutes(2)
    ) async throws -> TestGateway {
        let node = NodeID(rawValue: name)!
        let path = "/tmp/guildhall-\(UUID().uuidString.prefix(8)).sock"
        let role = GatewayRole(
            settings: GatewaySettings(
                socketPath: path, loops: 2, maximumOutputBytes: maximumOutputBytes, journalWait: journalWait),
            handOverTime: .minutes(5))
        var record = NodeRecord(
            id: node, roles: [.gateway], host: "127.0.0.1", port: 2, startedAt: WallClock().now())
        var logger = Logger(label: "test")
        logger.logLevel = .error
        try await role.start(
            NodeServices(
                node: node, cluster: ClusterID(rawValue: String(repeating: "a", count: 32))!, tokenSecret: World.secret,
                clock: WallClock(), coordinator: NoCoordinator(),
                view: FakeView(guildNode: guildNode.node, membership: membership),
                slots: guildNode, client: FakePeers(node: node, guildNode: guildNode, membership: membership),
                logger: logger),
            record: &record)
        membership.serve(role, at: node)
        membership.register(record)
        let port = Int(record.clientURL.split(separator: ":").last ?? "") ?? 0
        return TestGateway(role: role, port: port, record: record, membership: membership)
    }

    func stop() async {
        await role.drain(until: .now() + .seconds(1))
        membership.cut(record.id)
        membership.remove(record.id)
    }

    /// The process ends at once: what it had is gone. Its record stays for a while.
    func crash() async {
        membership.cut(record.id)
        await role.drain(until: .now())
    }

    /// Waits until its buddy has `count` of its sessions.
    func journaled(_ count: Int) async throws {
        let end = ContinuousClock.now + .seconds(60)
        while await role.count()?.journaled != count {
            try #require(ContinuousClock.now < end, "the sessions are journaled")
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    /// A client that is in: after READY and its guild.
    func identified(
        query: String = "?v=10&encoding=json", identify: String = World.identify(), isPerPayload: Bool = false
    ) async throws -> (client: TestClient, session: String) {
        let client = try await TestClient(port: port, query: query, isPerPayload: isPerPayload)
        _ = try await client.next()
        try await client.send(identify)
        let ready = try await client.next("READY")
        _ = try await client.next("GUILD_CREATE")
        return (client, ready.data["session_id"] as? String ?? "")
    }
}

/// The gateway does not ask the coordinator for anything.
struct NoCoordinator: Coordinator {
    func get(_ key: String) async throws(CoordinatorFailure) -> CoordinatorEntry? { throw .unavailable("none") }
    func list(prefix: String) async throws(CoordinatorFailure) -> CoordinatorListing { throw .unavailable("none") }
    func commit(_ transaction: CoordinatorTransaction) async throws(CoordinatorFailure) -> UInt64? {
        throw .unavailable("none")
    }
    func grantLease(_ duration: Duration) async throws(CoordinatorFailure) -> CoordinatorLease {
        throw .unavailable("none")
    }
    func keepAlive(_ lease: CoordinatorLease) async throws(CoordinatorFailure) { throw .unavailable("none") }
    func revoke(_ lease: CoordinatorLease) async throws(CoordinatorFailure) { throw .unavailable("none") }
    func watch(prefix: String, after revision: UInt64) -> AsyncThrowingStream<CoordinatorChange, any Error> {
        AsyncThrowingStream { $0.finish() }
    }
}
