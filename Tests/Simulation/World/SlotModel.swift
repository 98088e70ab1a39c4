import Identity
import Replication

/// The state of a slot, as far as the protocol must keep it: messages in channels, remembered requests, the outbox.
struct SlotModel {
    struct Item {
        var id: Snowflake
        var value: Int
    }

    struct Channel {
        var items: [Item] = []
        /// Over all values in order: two channels with one hash are taken to be equal.
        var hash: UInt64 = 0

        static func mix(_ hash: UInt64, _ value: Int) -> UInt64 {
            (hash ^ UInt64(value)) &* 0x0000_0100_0000_01b3 &+ 0x9e37_79b9
        }
    }

    /// What a request was answered with.
    struct Remembered {
        var id: Snowflake
        /// How many messages the channel held with the new one.
        var version: Int
    }

    static let channelCount = 2

    var applied = LogPosition.start
    var idMark = Snowflake(rawValue: 0)
    var channels = [Channel](repeating: Channel(), count: SlotModel.channelCount)
    var requests: [RequestID: Remembered] = [:]
    /// By destination: what is not acknowledged, and the last number given.
    var outbox: [[ModelEntry.Effect]]
    var outboxLast: [UInt64]
    /// By source: the last number applied.
    var inbox: [UInt64]
    var received: [Int] = []
    /// The index of the last entry with an event.
    var lastEvent = LogIndex.zero

    init(slots: Int) {
        outbox = Array(repeating: [], count: slots)
        outboxLast = Array(repeating: 0, count: slots)
        inbox = Array(repeating: 0, count: slots)
    }

    mutating func apply(_ entry: ModelEntry) {
        applied = entry.position
        idMark = max(idMark, entry.idMark)
        switch entry.change {
        case .opening: break
        case .append(let channel, let value, let id):
            channels[channel].items.append(Item(id: id, value: value))
            channels[channel].hash = Channel.mix(channels[channel].hash, value)
            lastEvent = entry.position.index
            if let request = entry.request {
                requests[request] = Remembered(id: id, version: channels[channel].items.count)
            }
        case .receive(let source, let number, let value):
            inbox[source] = number
            received.append(value)
        case .forget(let destination, let through): outbox[destination].removeAll { $0.number <= through }
        }
        if let effect = entry.effect {
            outbox[effect.destination].append(effect)
            outboxLast[effect.destination] = effect.number
        }
    }

    /// Whether two copies hold the same.
    func equals(_ other: SlotModel) -> Bool {
        applied == other.applied && idMark == other.idMark && channels.map(\.hash) == other.channels.map(\.hash)
            && received == other.received && requests.count == other.requests.count && inbox == other.inbox
            && outboxLast == other.outboxLast && outbox.map(\.count) == other.outbox.map(\.count)
    }
}
