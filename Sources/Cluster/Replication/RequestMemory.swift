import Identity

/// What a slot does with a request that may be a repetition (DESIGN §6.7): a value without I/O. What is remembered lies
/// in the slot's state; here are the requests that are being served, with whoever waits for their answers.
public struct RequestMemory<Waiter> {
    public enum Verdict: Hashable, Sendable {
        /// It is the first of its id and not remembered either: run it, and call ``RequestMemory/end(_:)``.
        case first
        /// The first one is being served, and its answer goes to this one too.
        case joined
        /// So many wait for the first one that this one is to come again.
        case crowded
        /// Minted too long ago, or too far ahead: whether it was served is not known any more.
        case outOfTime
    }

    private var inFlight: [RequestID: [Waiter]] = [:]

    public init() {}

    /// - Parameters:
    ///   - now: the wall clock's reading, in milliseconds since the Unix epoch.
    ///   - limit: of those that wait for one request.
    public mutating func begin(_ id: RequestID, _ waiter: Waiter, now: Int64, limit: Int) -> Verdict {
        guard let minted = Int64(exactly: id.mintedMilliseconds),
            Duration.milliseconds(abs(now - minted)) <= RequestID.memory
        else { return .outOfTime }
        guard let waiting = inFlight[id] else {
            inFlight[id] = []
            return .first
        }
        guard waiting.count < limit else { return .crowded }
        inFlight[id]?.append(waiter)
        return .joined
    }

    /// - Returns: those that joined the request.
    public mutating func end(_ id: RequestID) -> [Waiter] { inFlight.removeValue(forKey: id) ?? [] }

    public mutating func removeAll() { inFlight = [:] }
}
