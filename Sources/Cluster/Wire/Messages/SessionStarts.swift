import Identity

/// How many gateway sessions a bot's token may still begin: `session_start_limit` of GET /gateway/bot.
public struct SessionStarts: Hashable, Sendable, FieldCodable {
    /// Discord's daily limit: a bot that identifies more often is in a loop.
    public static let total = 1000
    /// Over how long they are counted, from the first one on.
    public static let window = Duration.seconds(86_400)
    /// `max_concurrency`: shards with the same id modulo this number share a pace (Discord, "Rate Limits"). The more,
    /// the sooner all shards of a bot are there; the clients' libraries wait 5 s between those that share one.
    public static let maximumConcurrency = 16

    public var remaining: Int
    /// Until the count begins anew; 0 when nothing is counted.
    public var resetAfterMilliseconds: Int

    public init(remaining: Int = SessionStarts.total, resetAfterMilliseconds: Int = 0) {
        self.remaining = remaining
        self.resetAfterMilliseconds = resetAfterMilliseconds
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, remaining)
        writer.write(2, resetAfterMilliseconds)
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        self.init()
        while let field = try reader.next() {
            switch field.number {
            case 1: remaining = try field.int()
            case 2: resetAfterMilliseconds = try field.int()
            default: break
            }
        }
    }
}
