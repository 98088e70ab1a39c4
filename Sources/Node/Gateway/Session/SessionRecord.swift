import Identity
import NIOCore
import Wire

/// A session on its way from one owner to another: what `pullSession` answers, what a draining gateway hands over, and
/// what a journal begins with.
struct SessionRecord: Sendable, FieldCodable {
    /// The version of this encoding; a reader refuses a later one.
    static let version: UInt64 = 1

    struct Delivery: Hashable, Sendable {
        var sequence: Int
        /// The dispatch's shared tail.
        var tail: ByteBuffer
        var cause = Dispatch.Cause.other
    }

    /// A root entity and the number up to which the session has its events; without one it has had nothing yet.
    struct Root: Hashable, Sendable {
        var entity: RootEntity
        var after: EventNumber?
        /// The channels of a guild that the session saw; absent when it is not known.
        var seen: [ChannelID]?
        /// Nothing up to `after` is on its way to the session any more.
        var isLive: Bool

        init(entity: RootEntity, after: EventNumber?, seen: [ChannelID]? = nil, isLive: Bool = false) {
            self.entity = entity
            self.after = after
            self.seen = seen
            self.isLive = isLive
        }
    }

    var id: SessionID
    var actor: Actor
    var intents: UInt64
    var apiVersion: Int
    var shard: Int
    var shardCount: Int
    var isSharded: Bool
    var largeThreshold: Int
    var sequence: Int
    var floor: Int
    var deliveries: [Delivery]
    var roots: [Root]
    /// Before this sequence number, what the session followed and saw is not known.
    var settled: Int
    var generation: Int
    /// Where it comes from, it may have been rebuilt elsewhere in the meantime (``Session/isDoubtful``).
    var isDoubtful = false

    func encode(into writer: inout FieldWriter) {
        writer.write(1, SessionRecord.version)
        writer.write(2, id.description)
        writer.write(3, actor)
        writer.write(4, intents)
        writer.write(5, apiVersion)
        writer.write(6, shard)
        writer.write(7, shardCount)
        writer.write(8, isSharded)
        writer.write(9, largeThreshold)
        writer.write(10, sequence)
        writer.write(11, floor)
        for delivery in deliveries {
            writer.write(12) {
                $0.write(1, delivery.sequence)
                $0.write(2, delivery.tail)
                switch delivery.cause {
                case .event(let root, let number):
                    root.write(to: &$0, guild: 3, user: 4)
                    $0.write(5, number)
                // Before these, what the session saw is not known: they are never asked for by number.
                case .channel, .shift, .other: break
                }
            }
        }
        for root in roots {
            writer.write(13) {
                root.entity.write(to: &$0, guild: 1, user: 2)
                if let after = root.after { $0.write(3, after) }
                if root.isLive { $0.write(6, true) }
                guard let seen = root.seen else { return }
                $0.write(4, true)
                for channel in seen { $0.write(5, channel) }
            }
        }
        writer.write(14, settled)
        if generation > 0 { writer.write(15, generation) }
        if isDoubtful { writer.write(16, true) }
    }

    init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var id: SessionID?
        var actor: Actor?
        var (intents, apiVersion, shard, shardCount, isSharded) = (UInt64(0), 10, 0, 1, false)
        var (largeThreshold, sequence, floor, generation) = (50, 0, 0, 0)
        var settled: Int?
        deliveries = []
        roots = []
        while let field = try reader.next() {
            switch field.number {
            case 1: guard try field.uint64() <= SessionRecord.version else { throw .invalidField(1) }
            case 2: id = SessionID(try field.string())
            case 3: actor = try field.message()
            case 4: intents = try field.uint64()
            case 5: apiVersion = try field.int()
            case 6: shard = try field.int()
            case 7: shardCount = try field.int()
            case 8: isSharded = try field.bool()
            case 9: largeThreshold = try field.int()
            case 10: sequence = try field.int()
            case 11: floor = try field.int()
            case 12: deliveries.append(try SessionRecord.delivery(field.message()))
            case 13: roots.append(try SessionRecord.root(field.message()))
            case 14: settled = try field.int()
            case 15: generation = try field.int()
            case 16: isDoubtful = try field.bool()
            default: break
            }
        }
        guard shardCount > 0, shard < shardCount else { throw .invalidField(7) }
        self.id = try id.required(2)
        self.actor = try actor.required(3)
        (self.intents, self.apiVersion, self.shard, self.shardCount) = (intents, apiVersion, shard, shardCount)
        (self.isSharded, self.largeThreshold, self.sequence) = (isSharded, largeThreshold, sequence)
        self.floor = floor
        self.settled = settled ?? sequence
        self.generation = generation
    }

    private static func delivery(_ reader: FieldReader) throws(FieldError) -> Delivery {
        var reader = reader
        var delivery = Delivery(sequence: 0, tail: ByteBuffer())
        var root: RootEntity?
        var number: EventNumber?
        while let field = try reader.next() {
            switch field.number {
            case 1: delivery.sequence = try field.int()
            case 2: delivery.tail = try field.bytes()
            case 3: root = .guild(try field.id())
            case 4: root = .user(try field.id())
            case 5: number = try field.message()
            default: break
            }
        }
        if let root, let number { delivery.cause = .event(root, number) }
        return delivery
    }

    private static func root(_ reader: FieldReader) throws(FieldError) -> Root {
        var reader = reader
        var entity: RootEntity?
        var after: EventNumber?
        var seen: [ChannelID]?
        var isLive = false
        while let field = try reader.next() {
            switch field.number {
            case 1: entity = .guild(try field.id())
            case 2: entity = .user(try field.id())
            case 3: after = try field.message()
            case 4: seen = []
            case 5: seen?.append(try field.id())
            case 6: isLive = try field.bool()
            default: break
            }
        }
        return Root(entity: try entity.required(1), after: after, seen: seen, isLive: isLive)
    }
}

extension SessionRecord {
    /// - Parameters:
    ///   - position: the number up to which a live root's events have been delivered.
    ///   - seen: the channels of a guild that the session sees.
    init(_ session: Session, position: (RootEntity) -> EventNumber?, seen: (GuildID) -> [ChannelID]?) {
        let identity = session.identity
        id = identity.id
        actor = identity.actor
        intents = identity.intents
        apiVersion = identity.version
        (shard, shardCount, isSharded) = (identity.shard, identity.shardCount, identity.isSharded)
        largeThreshold = identity.largeThreshold
        sequence = session.sequence
        floor = session.replay.floor
        deliveries = session.replay.deliveries.map {
            Delivery(sequence: $0.sequence, tail: $0.dispatch.tail, cause: $0.dispatch.cause)
        }
        settled = session.settledSequence
        generation = session.generation
        isDoubtful = session.isDoubtful
        roots =
            [SessionRecord.root(.user(session.userID), session.userProgress, position)]
            + session.guilds.map { guild, progress in
                var root = SessionRecord.root(.guild(guild), progress, position)
                if root.after != nil { root.seen = seen(guild) }
                return root
            }
    }

    static func root(
        _ entity: RootEntity, _ progress: Session.GuildProgress, _ position: (RootEntity) -> EventNumber?
    ) -> Root {
        switch progress {
        case .live: Root(entity: entity, after: position(entity), isLive: true)
        case .catchingUp(let after, _): Root(entity: entity, after: after)
        case .attaching(let after): Root(entity: entity, after: after)
        case .left: Root(entity: entity, after: nil)
        }
    }

    /// The session again, with no client yet and nothing subscribed to.
    func makeSession(now: NIODeadline) -> Session {
        var replay = ReplayBuffer(floor: floor)
        for delivery in deliveries {
            let dispatch = Dispatch(tail: delivery.tail.compacted(), cause: delivery.cause)
            replay.append(dispatch, sequence: delivery.sequence, now: now)
        }
        let identity = Session.Identity(
            id: id, actor: actor, intents: intents, version: apiVersion, shard: shard, shardCount: shardCount,
            isSharded: isSharded, largeThreshold: largeThreshold)
        let session = Session(identity: identity, sequence: sequence, replay: replay)
        for root in roots {
            switch root.entity {
            case .user: session.userProgress = .attaching(after: root.after)
            case .guild(let guild):
                session.guilds[guild] = .attaching(after: root.after)
                session.seen[guild] = root.seen.map { Session.SeenChannels(channels: Set($0)) }
            }
        }
        session.settledSequence = settled
        session.generation = generation
        session.isDoubtful = isDoubtful
        session.isReady = sequence > 0
        session.detachedAt = now
        return session
    }
}
