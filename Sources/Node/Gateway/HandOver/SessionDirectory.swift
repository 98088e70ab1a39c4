import DequeModule
import Identity

/// Where sessions are that are here or began here: on which loop, or at which gateway since they moved.
struct SessionDirectory {
    enum Place: Hashable {
        case loop(Int)
        case moved(NodeID)
        /// On its way to a peer or a loop.
        case leaving
    }

    /// The most forwarding notes; the oldest are forgotten first, and a RESUME for one gets INVALID SESSION.
    static let maximumMoved = 200_000

    private var places: [SessionID: Place] = [:]
    private var moved: Deque<SessionID> = []

    func place(of id: SessionID) -> Place? { places[id] }

    mutating func began(_ id: SessionID, on loop: Int) { places[id] = .loop(loop) }

    mutating func leaving(_ id: SessionID, from loop: Int) {
        if places[id] == .loop(loop) { places[id] = .leaving }
    }

    /// A copy of it is held here while others are asked for a better one.
    mutating func sought(_ id: SessionID) { places[id] = .leaving }

    /// Nobody knows where it is.
    mutating func lost(_ id: SessionID) { if places[id] == .leaving { places[id] = nil } }

    mutating func ended(_ id: SessionID, on loop: Int) {
        if places[id] == .loop(loop) { places[id] = nil }
    }

    mutating func moved(_ id: SessionID, to node: NodeID) {
        places[id] = .moved(node)
        moved.append(id)
        while moved.count > SessionDirectory.maximumMoved, let oldest = moved.popFirst() {
            if case .moved? = places[oldest] { places[oldest] = nil }
        }
    }
}
