import Domain
import Foundation
import Identity
import NIOCore
import Testing
import Wire

@testable import Gateway

/// What a journal rebuilds, for any course of events, any end of the gateway, and any point that the client had reached.
@Suite struct JournalTests {
    /// SplitMix64, so that a run that fails can be had again.
    private struct Seeded: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var value = state
            value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
            value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
            return value ^ value >> 31
        }
    }

    /// A guild node with two guilds and a user, as a value: what is true, and every event that led to it.
    private struct Cluster {
        var number: UInt64 = 100
        var snapshots: [GuildID: GuildSnapshot] = [
            World.guild: World.snapshot(), World.otherGuild: World.snapshot(World.otherGuild),
        ]
        var joined: Set<GuildID> = [World.guild, World.otherGuild]
        var log: [NumberedEvent] = []
        /// Every message in a channel that the bot saw when it was written, by guild.
        var messages: [GuildID: [String]] = [:]
        private var count = 0

        var last: EventNumber { EventNumber(index: LogIndex(rawValue: number), ordinal: 0) }

        private mutating func add(_ event: Event) {
            number += 1
            log.append(NumberedEvent(number: last, event: event))
        }

        private func sees(_ channel: ChannelView, in snapshot: GuildSnapshot) -> Bool {
            var view = GuildView(snapshot)
            guard let member = snapshot.members.first(where: { $0.userID == World.bot }) else { return false }
            view.add(member)
            guard let key = view.classKey(World.bot) else { return false }
            return view.permissions(key, in: channel).contains(.viewChannel)
        }

        func visible(_ guild: GuildID) -> Set<ChannelID> {
            guard let snapshot = snapshots[guild], joined.contains(guild) else { return [] }
            return Set(snapshot.channels.filter { sees($0, in: snapshot) }.map(\.id))
        }

        /// Its name says how many messages came before it.
        func snapshot(_ guild: GuildID) -> GuildSnapshot? {
            guard joined.contains(guild) else { return nil }
            var snapshot = snapshots[guild]
            let count = messages[guild, default: []].count
            snapshot?.head = ByteBuffer(string: #""id":"\#(guild)","name":"\#(count)","roles":[]"#)
            return snapshot
        }

        mutating func step(_ random: inout Seeded) {
            let guild = Bool.random(using: &random) ? World.guild : World.otherGuild
            guard var snapshot = snapshots[guild], joined.contains(guild) else { return }
            let root = RootEntity.guild(guild)
            switch Int.random(in: 0..<20, using: &random) {
            case 0:
                let isStaff = Bool.random(using: &random)
                let member = World.member(World.bot, roles: isStaff ? [World.staff] : [])
                guard let index = snapshot.members.firstIndex(where: { $0.userID == World.bot }) else { return }
                snapshot.members[index] = member
                snapshots[guild] = snapshot
                add(
                    Event(
                        type: "GUILD_MEMBER_UPDATE", root: root, intents: Intents.guildMembers,
                        payload: ByteBuffer(string: "{}"), change: .member(member)))
            case 1:
                count += 1
                let made = World.channel(ChannelID(rawValue: 10_000 + UInt64(count)))
                snapshot.channels.append(made)
                snapshots[guild] = snapshot
                add(
                    Event(
                        type: "CHANNEL_CREATE", root: root, audience: .channel(made.id), intents: Intents.guilds,
                        payload: ByteBuffer(string: #"{"id":"\#(made.id)"}"#), change: .channel(made)))
            case 2:
                guard let channel = snapshot.channels.first(where: { $0.id.rawValue >= 10_000 }) else { return }
                snapshot.channels.removeAll { $0.id == channel.id }
                snapshots[guild] = snapshot
                add(
                    Event(
                        type: "CHANNEL_DELETE", root: root, audience: .channel(channel.id), intents: Intents.guilds,
                        payload: ByteBuffer(string: #"{"id":"\#(channel.id)"}"#), change: .channelDeleted(channel.id)))
            case 3:
                // The rights of everybody in the hidden channel.
                guard let index = snapshot.channels.firstIndex(where: { $0.id == World.hidden }) else { return }
                let view = Permissions.viewChannel.rawValue
                let isHidden = Bool.random(using: &random)
                snapshot.channels[index].overwrites = [
                    Overwrite(
                        id: guild.snowflake, isMember: false, allow: isHidden ? 0 : view, deny: isHidden ? view : 0),
                    Overwrite(id: World.staff.snowflake, isMember: false, allow: view, deny: 0),
                ]
                snapshots[guild] = snapshot
                add(
                    Event(
                        type: "CHANNEL_UPDATE", root: root, audience: .channel(World.hidden), intents: Intents.guilds,
                        payload: ByteBuffer(string: "{}"), change: .channel(snapshot.channels[index])))
            case 4 where Int.random(in: 0..<4, using: &random) == 0 && joined.count == 2:
                // For good: the guild itself tells first, then the user's slot.
                joined.remove(guild)
                add(
                    Event(
                        type: "GUILD_MEMBER_REMOVE", root: root, intents: Intents.guildMembers,
                        payload: ByteBuffer(string: "{}"), change: .memberRemoved(World.bot)))
                add(
                    Event(
                        type: "", root: .user(World.bot), intents: 0, payload: ByteBuffer(), change: .guildLeft(guild)))
            default:
                // The messages of hidden channels may come or not, as permissions change: they are not counted.
                guard let channel = snapshot.channels.randomElement(using: &random) else { return }
                count += 1
                if channel.id == World.open { messages[guild, default: []].append("m\(count)") }
                add(World.message("m\(count)", in: channel.id, guild: guild))
            }
        }
    }

    /// A gateway's loop without sockets, which asks the cluster as the follower would.
    private final class Gateway: RootSource, SessionSink {
        let host: SessionHostBox
        let journal = SessionJournal(loop: 0, maximumWait: .seconds(1))
        var sent: [(sequence: Int, tail: String)] = []
        var isInvalid = false
        private var requests: [FollowRequest] = []
        private var read = 0

        final class SessionHostBox { var host: SessionHost! }

        init(isJournaled: Bool) {
            host = SessionHostBox()
            host.host = SessionHost(source: self)
            host.host.journal = journal
            if isJournaled { journal.begin([]) }
        }

        func follow(_ root: RootEntity, intents: UInt64) {}
        func unfollow(_ root: RootEntity) {}
        func snapshot(_ root: RootEntity, user: UserID, tag: UInt64) {
            requests.append(.snapshot(root: root, user: user, tag: tag))
        }
        func fetch(_ root: RootEntity, after: EventNumber, through: EventNumber, tag: UInt64) {
            requests.append(.fetch(root: root, after: after, through: through, tag: tag))
        }
        func deliver(_ dispatch: Dispatch, sequence: Int) { sent.append((sequence, String(buffer: dispatch.tail))) }
        func invalidated() { isInvalid = true }
        func close(_ code: GatewayCloseCode) { isInvalid = true }

        /// Takes all events so far, and answers.
        func catchUp(_ cluster: Cluster) {
            while read < cluster.log.count {
                let event = cluster.log[read]
                read += 1
                host.host.received(event.event, number: event.number)
            }
        }

        func answer(_ cluster: Cluster, most: Int = .max) {
            var left = most
            while !requests.isEmpty, left > 0 {
                left -= 1
                switch requests.removeFirst() {
                case .snapshot(let root, _, let tag):
                    let body: ByteBuffer?
                    switch root {
                    case .user: body = World.user(guilds: Array(cluster.joined)).encoded()
                    case .guild(let guild): body = cluster.snapshot(guild)?.encoded()
                    }
                    guard let body else {
                        host.host.received(unknown: root, tag: tag)
                        continue
                    }
                    host.host.received(snapshot: body, of: root, number: cluster.last, tag: tag)
                case .fetch(let root, let after, let through, let tag):
                    let events = cluster.log.filter {
                        $0.event.root == root && $0.number > after && $0.number <= through
                    }
                    host.host.received(fetched: events, of: root, tag: tag)
                default: break
                }
            }
        }

        /// A tick goes to the buddy.
        func tick(_ loop: inout JournaledLoop) throws {
            guard
                let tick = journal.seal(
                    now: .uptimeNanoseconds(0), record: host.host.record,
                    lives: { [host] in host.host.sessions[$0.id] === $0 })
            else { return }
            guard case .tick(let read) = try JournalMessage(decoding: JournalMessage.tick(tick).encoded()) else {
                return
            }
            try loop.apply(read, maximumEntries: JournaledSession.maximumEntries)
            #expect(journal.answered(tick.number))
        }
    }

    /// What a client knows: messages by guild, and the channels of each.
    private struct Client {
        var sequence = 0
        var messages: [GuildID: [String]] = [:]
        var channels: [GuildID: Set<ChannelID>] = [:]
        /// How many messages came before GUILD_CREATE; the client is owed those after it.
        var before: [GuildID: Int] = [:]
        var left: Set<GuildID> = []
        var faults: [String] = []

        private static func object(_ tail: String) -> (type: String, data: [String: Any]) {
            let json = try? JSONSerialization.jsonObject(with: Data(("{" + tail).utf8)) as? [String: Any]
            return (json?["t"] as? String ?? "", json?["d"] as? [String: Any] ?? [:])
        }

        mutating func take(_ sequence: Int, _ tail: String, guildOf: (String, [String: Any]) -> GuildID?) {
            if sequence != self.sequence + 1 { faults.append("sequence \(sequence) after \(self.sequence)") }
            self.sequence = sequence
            let (type, data) = Client.object(tail)
            guard let guild = guildOf(type, data) else { return }
            let channel = (data["id"] as? String).flatMap { ChannelID($0) }
            switch type {
            case "MESSAGE_CREATE":
                if data["channel_id"] as? String == World.open.description, let content = data["content"] as? String {
                    messages[guild, default: []].append(content)
                }
            case "GUILD_CREATE":
                before[guild] = (data["name"] as? String).flatMap { Int($0) }
                messages[guild] = []
                let list = data["channels"] as? [[String: Any]] ?? []
                channels[guild] = Set(list.compactMap { ($0["id"] as? String).flatMap { ChannelID($0) } })
            case "GUILD_DELETE":
                channels[guild] = []
                if !left.insert(guild).inserted { faults.append("\(guild) was left twice") }
            case "CHANNEL_CREATE":
                if let channel, !channels[guild, default: []].insert(channel).inserted {
                    faults.append("\(channel) was created twice")
                }
            case "CHANNEL_DELETE":
                if let channel, channels[guild, default: []].remove(channel) == nil {
                    faults.append("\(channel) was deleted without being there")
                }
            default: break
            }
        }
    }

    private func guild(of type: String, _ data: [String: Any], _ cluster: Cluster) -> GuildID? {
        if type == "GUILD_CREATE" || type == "GUILD_DELETE" { return (data["id"] as? String).flatMap { GuildID($0) } }
        if let text = data["guild_id"] as? String { return GuildID(text) }
        // Messages and channels of these tests name no guild; their ids are unique.
        let isIn = { (guild: GuildID) in
            cluster.log.contains { numbered in
                guard numbered.event.root == .guild(guild) else { return false }
                let text = String(buffer: numbered.event.payload)
                if let content = data["content"] as? String { return text.contains("\"\(content)\"") }
                guard let id = data["id"] as? String else { return false }
                return text.contains("\"\(id)\"")
            }
        }
        return [World.guild, World.otherGuild].first(where: isIn)
    }

    /// Messages come without content to those who may not read it; these tests' bot may.
    private func take(_ sent: ArraySlice<(sequence: Int, tail: String)>, _ client: inout Client, _ cluster: Cluster) {
        for (sequence, tail) in sent { client.take(sequence, tail) { guild(of: $0, $1, cluster) } }
    }

    private func check(_ client: Client, _ cluster: Cluster, _ what: String) {
        #expect(client.faults == [], "\(what)")
        for guild in [World.guild, World.otherGuild] {
            let owed = cluster.messages[guild, default: []].dropFirst(client.before[guild] ?? .max)
            if cluster.joined.contains(guild) {
                #expect(client.messages[guild, default: []] == Array(owed), "\(what)")
            } else {
                // What it had not had when it left, it does not get.
                #expect(Array(owed).starts(with: client.messages[guild, default: []]), "\(what)")
            }
            #expect(client.channels[guild, default: []] == cluster.visible(guild), "\(what)")
        }
    }

    private func identity() -> Session.Identity {
        Session.Identity(
            id: SessionID(String(repeating: "a", count: 32) + "67617465776179")!,
            actor: Actor(profile: UserProfile(id: World.bot, username: "robot", isBot: true), tokenID: 4711),
            intents: World.allIntents, version: 10, shard: 0, shardCount: 1, isSharded: false, largeThreshold: 50)
    }

    @Test(arguments: 0..<300) func aSessionRebuiltAtAnyPointLosesAndDoublesNothing(_ run: Int) throws {
        var random = Seeded(state: UInt64(run))
        var cluster = Cluster()
        var client = Client()
        var generations = 0
        var record: SessionRecord?
        // Several gateways are lost, one after the other.
        for life in 0..<3 {
            let gateway = Gateway(isJournaled: true)
            var loop = JournaledLoop()
            // What happened before this gateway is not in its stream.
            gateway.catchUp(cluster)
            let session: Session
            if let record {
                session = record.makeSession(now: .uptimeNanoseconds(0))
                gateway.host.host.take(session)
                #expect(session.resume(after: record.sequence, sink: gateway, now: .uptimeNanoseconds(0)))
            } else {
                session = Session(identity: identity())
                session.sink = gateway
                gateway.host.host.begin(session)
            }
            try gateway.tick(&loop)
            var journaled = 0
            for _ in 0..<Int.random(in: 1..<60, using: &random) {
                switch Int.random(in: 0..<8, using: &random) {
                case 6 where Bool.random(using: &random):
                    // Another buddy, which gets everything anew.
                    gateway.journal.end(gateway.host.host.sessions.values)
                    gateway.journal.begin(gateway.host.host.sessions.values)
                    loop = JournaledLoop()
                    try gateway.tick(&loop)
                    journaled = gateway.sent.count
                case 0: gateway.answer(cluster, most: Int.random(in: 1...3, using: &random))
                case 1:
                    try gateway.tick(&loop)
                    journaled = gateway.sent.count
                case 2:
                    // A heartbeat acknowledges something that the client has.
                    if let acknowledged = gateway.sent.prefix(journaled).randomElement(using: &random)?.sequence {
                        session.replay.acknowledge(acknowledged)
                        session.journal?.acknowledged(acknowledged, session)
                    }
                default:
                    cluster.step(&random)
                    gateway.catchUp(cluster)
                }
            }
            try #require(!gateway.isInvalid)
            // Until READY there is nothing to resume.
            guard session.isReady else { continue }
            try gateway.tick(&loop)
            journaled = gateway.sent.count
            // The client had received a part of it, from what it acknowledged on.
            let floor = loop.session(session.id)?.floor ?? 0
            let possible = gateway.sent.map(\.sequence).filter { $0 >= max(floor, record?.sequence ?? 1) }
            guard let reached = possible.randomElement(using: &random) else { continue }
            take(gateway.sent.prefix { $0.sequence <= reached }[...], &client, cluster)
            for _ in 0..<Int.random(in: 0..<10, using: &random) { cluster.step(&random) }
            record = try #require(loop.record(of: session.id, at: reached))
            generations += 1
            #expect(record?.generation == generations, "life \(life)")
            #expect(record?.sequence == reached)
        }
        guard let record else { return }
        let gateway = Gateway(isJournaled: false)
        gateway.catchUp(cluster)
        let session = record.makeSession(now: .uptimeNanoseconds(0))
        gateway.host.host.take(session)
        #expect(session.resume(after: record.sequence, sink: gateway, now: .uptimeNanoseconds(0)))
        for _ in 0..<5 {
            gateway.answer(cluster, most: 1)
            cluster.step(&random)
            gateway.catchUp(cluster)
        }
        gateway.answer(cluster)
        take(gateway.sent[...], &client, cluster)
        check(client, cluster, "run \(run), rebuilt \(generations) times at \(record.sequence)")
    }
}
