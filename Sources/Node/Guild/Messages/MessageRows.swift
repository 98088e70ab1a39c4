import Domain
import Identity
import NIOCore
import Wire

/// The messages of a slot's channels, written within one command.
struct MessageRows {
    /// For how long a nonce with `enforce_nonce` stands for the message first posted with it.
    static let nonceMemory: Duration = .seconds(300)

    let transaction: any SlotTransaction

    init(_ transaction: any SlotTransaction) { self.transaction = transaction }

    /// What a slot keeps decoded of its channels' messages.
    private final class Cache {
        /// Over this many channels the cache starts over.
        static let maximumChannels = 4096
        var channels: [ChannelID: RecentMessages] = [:]
    }

    private var cache: Cache { transaction.caches.cache(Cache.self) { Cache() } }

    func history(of channel: ChannelID) -> MessageHistory { MessageHistory(reader: transaction, channel: channel) }

    /// Writes a new message, and its bucket if it is the first there.
    func add(_ message: Message, as id: MessageID, to channel: ChannelID) throws {
        let recent = try recent(of: channel)
        transaction.put(.message, MessageKeys.message(id, in: channel), message.encoded())
        if recent.buckets.insert(MessageBucket(of: id)) {
            transaction.put(.message, MessageKeys.buckets(of: channel), recent.buckets.encoded())
        }
        if let nonce = message.nonce { recent.nonces?.remember(nonce, of: message.author.id, as: id) }
    }

    /// Writes a message that is there already.
    func put(_ message: Message, as id: MessageID, in channel: ChannelID) {
        transaction.put(.message, MessageKeys.message(id, in: channel), message.encoded())
    }

    /// The message that the author has posted in the channel with this nonce, within ``nonceMemory``.
    func message(with nonce: MessageNonce, by author: UserID, in channel: ChannelID) throws -> MessageID? {
        let recent = try recent(of: channel)
        let start = transaction.now + .milliseconds(-MessageRows.nonceMemory.milliseconds)
        let nonces = try recent.nonces ?? nonces(of: channel, since: start)
        recent.nonces = nonces
        nonces.forget(before: start)
        return nonces.message(with: nonce, by: author)
    }

    /// Deletes all messages of a channel that is being deleted.
    func deleteAll(of channel: ChannelID) {
        let range = MessageKeys.all(of: channel)
        transaction.deleteRange(.message, from: range.from, upTo: range.upTo)
        cache.channels[channel] = nil
    }

    private func recent(of channel: ChannelID) throws -> RecentMessages {
        let cache = cache
        if let recent = cache.channels[channel] { return recent }
        let recent = RecentMessages()
        for bucket in try history(of: channel).buckets() { _ = recent.buckets.insert(bucket) }
        if cache.channels.count >= Cache.maximumChannels { cache.channels.removeAll(keepingCapacity: true) }
        cache.channels[channel] = recent
        return recent
    }

    /// Read from the rows, so that nonces are known after a failover too; only when one is asked for, as a busy channel has
    /// many messages in these minutes, and the slot's other commands wait meanwhile.
    private func nonces(of channel: ChannelID, since start: Timestamp) throws -> RecentNonces {
        let nonces = RecentNonces()
        try history(of: channel).forEach(since: start) { id, message in
            if let nonce = message.nonce { nonces.remember(nonce, of: message.author.id, as: id) }
        }
        return nonces
    }
}

/// What new messages of one channel are checked against.
private final class RecentMessages {
    var buckets = MessageBuckets()
    /// Of the last minutes; absent until a nonce is asked for.
    var nonces: RecentNonces?
}

/// The nonces of one channel's messages of the last minutes.
final class RecentNonces {
    /// Nonces kept; the oldest give way, before their time in a channel with more.
    static let maximumNonces = 65_536

    private struct NonceKey: Hashable {
        let author: UserID
        let nonce: String
    }

    private var messages: [NonceKey: MessageID] = [:]
    /// In the order of posting.
    private var order: [(key: NonceKey, id: MessageID)] = []
    /// How many of ``order`` are forgotten.
    private var forgotten = 0

    func remember(_ nonce: MessageNonce, of author: UserID, as id: MessageID) {
        let key = NonceKey(author: author, nonce: nonce.text)
        messages[key] = id
        order.append((key, id))
        if order.count - forgotten > RecentNonces.maximumNonces { forgetOldest() }
    }

    func message(with nonce: MessageNonce, by author: UserID) -> MessageID? {
        messages[NonceKey(author: author, nonce: nonce.text)]
    }

    func forget(before time: Timestamp) {
        while forgotten < order.count, order[forgotten].id.snowflake.timestamp < time { forgetOldest() }
    }

    private func forgetOldest() {
        let (key, id) = order[forgotten]
        // A nonce used again later stands for the later message.
        if messages[key] == id { messages[key] = nil }
        forgotten += 1
        if forgotten > 1024, forgotten * 2 > order.count {
            order.removeFirst(forgotten)
            forgotten = 0
        }
    }
}
