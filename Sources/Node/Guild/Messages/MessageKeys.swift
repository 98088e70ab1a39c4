import Identity

/// A window of ten days since 2015-01-01, by which a channel's messages are kept together (DESIGN §7).
struct MessageBucket: Hashable, Comparable, Sendable {
    /// Ten days in milliseconds.
    static let length: UInt64 = 864_000_000

    let rawValue: UInt16

    init(rawValue: UInt16) { self.rawValue = rawValue }

    /// The window of a message. The 42 bits of an id's time make 5,091 windows, so that it always fits.
    init(of id: MessageID) { rawValue = UInt16(id.snowflake.milliseconds / MessageBucket.length) }

    static func < (left: MessageBucket, right: MessageBucket) -> Bool { left.rawValue < right.rawValue }
}

/// Keys of a channel's messages in family `message`, without the slot that the runtime puts before them: channel id,
/// bucket (2 bytes), complement of the message id, all big-endian. In key order a bucket begins with its newest.
enum MessageKeys {
    /// Stands where a bucket would: the row with the list of buckets comes after all messages.
    private static let bucketList: UInt16 = .max

    static func message(_ id: MessageID, in channel: ChannelID) -> [UInt8] {
        var key = prefix(channel, MessageBucket(of: id).rawValue)
        append(~id.rawValue, to: &key)
        return key
    }

    /// The id at the end of a message's key.
    static func id(of key: [UInt8]) -> MessageID {
        MessageID(rawValue: ~key.suffix(8).reduce(0) { $0 << 8 | UInt64($1) })
    }

    /// The messages of a bucket with ids below `before` and above `after`.
    static func messages(
        in bucket: MessageBucket, of channel: ChannelID, before: MessageID?, after: MessageID?
    ) -> (from: [UInt8], upTo: [UInt8]) {
        var from = prefix(channel, bucket.rawValue)
        // The complement of `before` itself is the last one left out.
        if let before { append(~before.rawValue + (before.rawValue > 0 ? 1 : 0), to: &from) }
        var upTo: [UInt8]
        if let after {
            upTo = prefix(channel, bucket.rawValue)
            append(~after.rawValue, to: &upTo)
        } else {
            upTo = prefix(channel, bucket.rawValue + 1)
        }
        return (from, upTo)
    }

    static func buckets(of channel: ChannelID) -> [UInt8] { prefix(channel, bucketList) }

    /// Everything of a channel.
    static func all(of channel: ChannelID) -> (from: [UInt8], upTo: [UInt8]) {
        (prefix(channel, 0), prefix(channel, bucketList) + [0])
    }

    private static func prefix(_ channel: ChannelID, _ bucket: UInt16) -> [UInt8] {
        var key: [UInt8] = []
        key.reserveCapacity(18)
        append(channel.rawValue, to: &key)
        key.append(UInt8(bucket >> 8))
        key.append(UInt8(bucket & 0xff))
        return key
    }

    private static func append(_ value: UInt64, to key: inout [UInt8]) {
        for shift in stride(from: 56, through: 0, by: -8) {
            key.append(UInt8(truncatingIfNeeded: value >> UInt64(shift)))
        }
    }
}
