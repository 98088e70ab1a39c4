import Domain
import Identity
import NIOCore
import Wire

/// A channel's messages by id, found bucket by bucket; works on a command's view and on committed rows alike.
struct MessageHistory {
    typealias Found = (id: MessageID, message: Message)

    let reader: any RowReader
    let channel: ChannelID

    /// The buckets that hold messages, ascending.
    func buckets() throws -> [MessageBucket] {
        guard let row = try reader.get(.message, MessageKeys.buckets(of: channel)) else { return [] }
        return try MessageBuckets(decoding: row).buckets
    }

    /// The message, unless it is deleted or never was.
    func message(_ id: MessageID) throws -> Message? {
        guard let row = try reader.get(.message, MessageKeys.message(id, in: channel)) else { return nil }
        let message = try Message(decoding: row)
        return message.isDeleted ? nil : message
    }

    /// At most `limit` messages with ids below `before`, newest first.
    func newest(before: MessageID?, limit: Int) throws -> [Found] {
        var found: [Found] = []
        let last = before.map { MessageBucket(of: $0) }
        for bucket in try buckets().reversed() where last.map({ bucket <= $0 }) ?? true {
            guard found.count < limit else { break }
            let range = MessageKeys.messages(in: bucket, of: channel, before: before, after: nil)
            try collect(range, reverse: false, limit: limit, into: &found)
        }
        return found
    }

    /// At most `limit` messages with ids above `after`, oldest first.
    func oldest(after: MessageID, limit: Int) throws -> [Found] {
        var found: [Found] = []
        let first = MessageBucket(of: after)
        for bucket in try buckets() where bucket >= first {
            guard found.count < limit else { break }
            let range = MessageKeys.messages(in: bucket, of: channel, before: nil, after: after)
            try collect(range, reverse: true, limit: limit, into: &found)
        }
        return found
    }

    /// The messages posted at `time` or later, oldest first; deleted ones are left out.
    func forEach(since time: Timestamp, _ body: (MessageID, Message) throws -> Void) throws {
        let milliseconds = max(0, time.milliseconds - Snowflake.epochMilliseconds)
        let first = MessageID(Snowflake(milliseconds: UInt64(milliseconds), slot: channel.slot, sequence: 0))
        let after = MessageID(rawValue: first.rawValue == 0 ? 0 : first.rawValue - 1)
        for bucket in try buckets() where bucket >= MessageBucket(of: after) {
            let range = MessageKeys.messages(in: bucket, of: channel, before: nil, after: after)
            try reader.scan(.message, from: range.from, upTo: range.upTo, reverse: true) { key, value in
                let message = try Message(decoding: value)
                if !message.isDeleted { try body(MessageKeys.id(of: key), message) }
                return true
            }
        }
    }

    private func collect(
        _ range: (from: [UInt8], upTo: [UInt8]), reverse: Bool, limit: Int, into found: inout [Found]
    ) throws {
        guard range.from.lexicographicallyPrecedes(range.upTo) else { return }
        try reader.scan(.message, from: range.from, upTo: range.upTo, reverse: reverse) { key, value in
            let message = try Message(decoding: value)
            if !message.isDeleted { found.append((MessageKeys.id(of: key), message)) }
            return found.count < limit
        }
    }
}

/// The row that lists the buckets of a channel, so that a page goes from one to the next that exists.
struct MessageBuckets: FieldCodable {
    static let formatVersion: UInt64 = 1

    /// Ascending.
    private(set) var buckets: [MessageBucket] = []

    init() {}

    /// - Returns: `false` when it was there.
    mutating func insert(_ bucket: MessageBucket) -> Bool {
        guard let last = buckets.last, bucket <= last else {
            buckets.append(bucket)
            return true
        }
        guard !buckets.contains(bucket) else { return false }
        buckets.append(bucket)
        buckets.sort()
        return true
    }

    func encode(into writer: inout FieldWriter) {
        writer.write(1, MessageBuckets.formatVersion)
        for bucket in buckets { writer.write(2, UInt64(bucket.rawValue)) }
    }

    init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        while let field = try reader.next() {
            switch field.number {
            case 1: try field.requireFormat(upTo: MessageBuckets.formatVersion)
            case 2:
                guard let bucket = UInt16(exactly: try field.uint64()) else { throw .invalidField(2) }
                buckets.append(MessageBucket(rawValue: bucket))
            default: break
            }
        }
    }
}
