import Identity
import Wire

/// A channel of a guild (Discord, "Channel object"), without `last_message_id`, which lies in a row of its own.
struct Channel: Hashable, Sendable, FieldCodable {
    static let formatVersion: UInt64 = 1

    enum Kind: Int, Sendable {
        case text = 0
        case category = 4
    }

    var id: ChannelID
    var kind: Kind
    var name: String
    var position: Int
    var topic: String?
    /// The category that the channel is in.
    var parentID: ChannelID?
    var isNSFW = false
    /// Slow mode: seconds between two messages of a member.
    var rateLimitPerUser = 0
    /// Sorted by id, so that equal sets are equal arrays.
    private(set) var overwrites: [Overwrite] = []
    var flags = 0
    /// Minutes; what clients offer for a new thread.
    var defaultAutoArchiveDuration: Int?
    var defaultThreadRateLimitPerUser: Int?

    init(id: ChannelID, kind: Kind, name: String, position: Int) {
        self.id = id
        self.kind = kind
        self.name = name
        self.position = position
    }

    mutating func replaceOverwrites(_ new: [Overwrite]) {
        overwrites = new.sorted { $0.id < $1.id }
    }

    mutating func setOverwrite(_ overwrite: Overwrite) {
        replaceOverwrites(overwrites.filter { $0.id != overwrite.id } + [overwrite])
    }

    /// - Returns: `false` when there was none for `id`.
    mutating func removeOverwrite(_ id: Snowflake) -> Bool {
        let before = overwrites.count
        overwrites.removeAll { $0.id == id }
        return overwrites.count < before
    }

    func encode(into writer: inout FieldWriter) {
        writer.write(1, Channel.formatVersion)
        writer.write(2, id)
        writer.write(3, kind.rawValue)
        writer.write(4, name)
        writer.write(5, position)
        writer.write(6, ifPresent: topic)
        writer.write(7, ifPresent: parentID)
        writer.write(8, isNSFW)
        writer.write(9, rateLimitPerUser)
        for overwrite in overwrites { writer.write(10, overwrite) }
        writer.write(11, flags)
        writer.write(12, ifPresent: defaultAutoArchiveDuration.map(UInt64.init))
        writer.write(13, ifPresent: defaultThreadRateLimitPerUser.map(UInt64.init))
    }

    init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var id: ChannelID?
        var overwrites: [Overwrite] = []
        self.init(id: ChannelID(rawValue: 0), kind: .text, name: "", position: 0)
        while let field = try reader.next() {
            switch field.number {
            case 1: try field.requireFormat(upTo: Channel.formatVersion)
            case 2: id = try field.id()
            case 3:
                guard let known = Kind(rawValue: try field.int()) else { throw .invalidField(3) }
                kind = known
            case 4: name = try field.string()
            case 5: position = try field.int()
            case 6: topic = try field.string()
            case 7: parentID = try field.id()
            case 8: isNSFW = try field.bool()
            case 9: rateLimitPerUser = try field.int()
            case 10: overwrites.append(try field.message())
            case 11: flags = try field.int()
            case 12: defaultAutoArchiveDuration = try field.int()
            case 13: defaultThreadRateLimitPerUser = try field.int()
            default: break
            }
        }
        self.id = try id.required(2)
        replaceOverwrites(overwrites)
    }
}
