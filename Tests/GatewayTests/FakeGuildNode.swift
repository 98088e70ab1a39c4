import Foundation
import Identity
import NIOCore
import Placement
import Routing
import Synchronization
import Transport
import Wire

@testable import Gateway

/// A guild node in memory: it answers event streams as DESIGN §10 says, and the calls of the user's slot.
final class FakeGuildNode: CallClient, SlotCaller, @unchecked Sendable {
    // `@unchecked Sendable`: all state is touched on `queue` only.
    let queue = DispatchQueue(label: "guild-node")
    let node = NodeID(rawValue: "guild-1")!
    private var number: UInt64 = 100
    private var log: [NumberedEvent] = []
    private var streams: [FakeStream] = []
    private var tokens: [UInt64: (Actor, UInt64)] = [:]
    private var users: [UserID: UserSnapshot] = [:]
    private var guilds: [GuildID: GuildSnapshot] = [:]
    private var dropped = 0
    private var reads = (now: 0, most: 0)
    /// Every request that came over a stream.
    private var requests: [EventStreamRequest] = []

    func add(_ user: UserSnapshot, tokenID: UInt64, allowedIntents: UInt64 = .max) {
        queue.sync {
            users[user.profile.id] = user
            tokens[tokenID] = (Actor(profile: user.profile, tokenID: tokenID), allowedIntents)
        }
    }

    func add(_ guild: GuildSnapshot) { queue.sync { guilds[guild.id] = guild } }
    func update(_ guild: GuildID, _ body: (inout GuildSnapshot) -> Void) {
        queue.sync {
            if var value = guilds[guild] {
                body(&value)
                guilds[guild] = value
            }
        }
    }
    func update(_ user: UserID, _ body: (inout UserSnapshot) -> Void) {
        queue.sync {
            if var value = users[user] {
                body(&value)
                users[user] = value
            }
        }
    }
    /// The most reads of members that ran at one time.
    var mostReads: Int { queue.sync { reads.most } }
    var seen: [EventStreamRequest] { queue.sync { requests } }
    /// Items that gateways said they have taken, on the streams that are open.
    var consumed: Int { queue.sync { streams.reduce(0) { $0 + $1.taken.load(ordering: .relaxed) } } }

    /// The next `count` durable events reach nobody.
    func drop(_ count: Int) { queue.sync { dropped = count } }
    /// Forgets the events so far: the ring does not reach back.
    func forget() { queue.sync { log.removeAll() } }

    func emit(_ event: Event, isDurable: Bool = true) {
        queue.sync {
            guard isDurable else {
                for stream in streams { stream.push(.event(event, number: nil, previous: nil), root: event.root) }
                return
            }
            number += 1
            let numbered = NumberedEvent(
                number: EventNumber(index: LogIndex(rawValue: number), ordinal: 0), event: event)
            log.append(numbered)
            let isDropped = dropped > 0
            if isDropped { dropped -= 1 }
            for stream in streams { stream.push(numbered, isDropped: isDropped) }
        }
    }

    func breakStreams() {
        queue.sync {
            for stream in streams { stream.end() }
            streams.removeAll()
        }
    }

    fileprivate func handle(_ request: EventStreamRequest, on stream: FakeStream) {
        requests.append(request)
        let now = EventNumber(index: LogIndex(rawValue: number), ordinal: 0)
        switch request {
        case .subscribe(let root, let after, _, let tag):
            let floor = log.first?.number.index.rawValue ?? number + 1
            if let after, after.index.rawValue + 1 < floor, after != now {
                return stream.answer(.gap(root: root, tag: tag))
            }
            stream.last[root] = after ?? now
            stream.answer(.subscribed(root: root, position: after ?? now, tag: tag))
            if let after { for event in log where event.number > after { stream.push(event, isDropped: false) } }
        case .unsubscribe(let root): stream.last[root] = nil
        case .snapshot(let root, let user, let tag):
            let body: ByteBuffer?
            switch root {
            case .user(let id): body = users[id]?.encoded()
            case .guild(let id):
                let guild = guilds[id]
                body = guild?.members.contains { $0.userID == user } == true ? guild?.encoded() : nil
            }
            stream.answer(
                body.map { .snapshot(root: root, number: now, body: $0, tag: tag) } ?? .unknown(root: root, tag: tag))
        case .fetch(let root, let after, let through, let tag):
            let events = log.filter { $0.event.root == root && $0.number > after && $0.number <= through }
            let floor = log.first?.number.index.rawValue ?? number + 1
            stream.answer(
                after.index.rawValue + 1 < floor
                    ? .gap(root: root, tag: tag) : .fetched(root: root, events: events, tag: tag))
        }
    }

    // MARK: CallClient and SlotCaller

    func call(
        _ method: CallMethod, body: ByteBuffer, to address: NodeAddress, lane: Lane, deadline: NIODeadline
    ) async throws(CallFailure) -> ByteBuffer {
        throw .unreachable("no such node")
    }

    func openStream(
        _ method: CallMethod, body: ByteBuffer, to address: NodeAddress, lane: Lane, receiver: any StreamReceiver
    ) async throws(CallFailure) -> any TransportStream {
        let stream = FakeStream(owner: self, receiver: receiver)
        queue.sync { streams.append(stream) }
        return stream
    }

    func call(
        _ slot: Slot, kind: SlotCall.Kind, body: ByteBuffer, requestID: RequestID?, deadline: NIODeadline
    ) async throws(SlotCallFailure) -> ByteBuffer {
        switch kind {
        case .authenticate:
            guard let request = try? AuthenticateRequest(decoding: body) else { throw .refused("malformed") }
            let known = queue.sync { tokens[request.tokenID] }
            return AuthenticateReply(actor: known?.0, allowedPrivilegedIntents: known?.1 ?? 0).encoded()
        case .rest:
            guard let request = try? RestRequest(from: FieldReader(body)),
                let guild = request.parameters["guild_id"].flatMap({ GuildID($0) }),
                let members = queue.sync(execute: { guilds[guild]?.members })
            else { throw .refused("malformed") }
            queue.sync { reads = (reads.now + 1, max(reads.most, reads.now + 1)) }
            defer { queue.sync { reads.now -= 1 } }
            // Long enough that two would overlap if they could.
            try? await Task.sleep(for: .milliseconds(2))
            var answer = ByteBuffer(string: "[")
            for (index, member) in members.enumerated() {
                if index > 0 { answer.writeString(",") }
                answer.writeImmutableBuffer(member.json)
            }
            answer.writeString("]")
            return RestReply(status: 200, body: answer).encoded()
        default: throw .refused("not served")
        }
    }
}

/// One gateway's stream.
final class FakeStream: TransportStream, @unchecked Sendable {
    // `@unchecked Sendable`: `last` and `isOpen` are touched on the node's queue only.
    let peer = NodeID(rawValue: "guild-1")!
    fileprivate let owner: FakeGuildNode
    private let receiver: any StreamReceiver
    fileprivate var last: [RootEntity: EventNumber] = [:]
    private var isOpen = true
    fileprivate let taken = Atomic<Int>(0)

    init(owner: FakeGuildNode, receiver: any StreamReceiver) {
        self.owner = owner
        self.receiver = receiver
    }

    func send(_ item: ByteBuffer) -> Bool {
        owner.queue.async {
            guard self.isOpen, let request = try? EventStreamRequest(decoding: item) else { return }
            self.owner.handle(request, on: self)
        }
        return true
    }

    fileprivate func answer(_ item: EventStreamItem) { if isOpen { receiver.received(item.encoded(), on: self) } }

    fileprivate func push(_ item: EventStreamItem, root: RootEntity) { if last[root] != nil { answer(item) } }

    fileprivate func push(_ event: NumberedEvent, isDropped: Bool) {
        guard let previous = last[event.event.root], event.number > previous else { return }
        last[event.event.root] = event.number
        if !isDropped { answer(.event(event.event, number: event.number, previous: previous)) }
    }

    fileprivate func end() {
        guard isOpen else { return }
        isOpen = false
        receiver.closed("broken", on: self)
    }

    func consumed(_ items: Int) { taken.wrappingAdd(items, ordering: .relaxed) }
    func close(_ reason: String) { owner.queue.async { self.end() } }
}

/// All slots at the one guild node.
struct FakeView: ClusterView {
    let guildNode: NodeID
    let membership: FakeMembership

    init(guildNode: NodeID, gateways: [NodeID]) {
        self.init(guildNode: guildNode, membership: FakeMembership(gateways))
    }

    init(guildNode: NodeID, membership: FakeMembership) {
        self.guildNode = guildNode
        self.membership = membership
    }

    func row(_ slot: Slot) -> ShardMapRow? {
        ShardMapRow(slot: slot, epoch: Epoch(rawValue: 1), primary: guildNode, inSync: [guildNode])
    }
    func node(_ id: NodeID) -> NodeRecord? { nodes.first { $0.id == id } }
    var nodes: [NodeRecord] {
        [NodeRecord(id: guildNode, roles: [.guild], host: "127.0.0.1", port: 1)]
            + membership.gateways
    }
    var rows: [ShardMapRow] { [] }
    func waitForRow(_ slot: Slot, atLeast epoch: Epoch, deadline: NIODeadline) async {}
    func changes() -> AsyncStream<ClusterChange> { AsyncStream { _ in } }
}
