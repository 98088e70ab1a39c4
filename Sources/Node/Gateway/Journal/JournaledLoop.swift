import Identity
import NIOCore
import Wire

/// The sessions of one loop of another gateway, as its buddy has them.
struct JournaledLoop {
    /// Marks of entities that nobody follows any more are dropped when there are so many.
    private static let maximumIdleMarks = 65_536

    private(set) var sessions: [UInt32: JournaledSession] = [:]
    private var numbers: [SessionID: UInt32] = [:]
    /// The last event of each entity that the gateway took.
    private var marks: [RootEntity: EventNumber] = [:]
    private(set) var entryCount = 0

    /// - Parameter maximumEntries: what a session keeps beyond which it is cut back; lowered when memory is short.
    mutating func apply(_ tick: JournalTick, maximumEntries: Int) throws(FieldError) {
        var groups = tick.groups
        while let group = try groups.readGroup() {
            if case .event(let root, let number) = group.header { marks[root] = max(marks[root] ?? .zero, number) }
            for entry in group.entries {
                // One that was closed, and what was sent to it in its last tick.
                guard let before = sessions[entry.session]?.entryCount else { continue }
                sessions[entry.session]?.add(group.header, at: entry.sequence)
                sessions[entry.session]?.trim(to: maximumEntries)
                entryCount += (sessions[entry.session]?.entryCount ?? 0) - before
            }
        }
        for number in tick.closed { remove(number) }
        for opened in tick.opened {
            if let older = numbers[opened.record.id] { remove(older) }
            let session = JournaledSession(opened.record)
            sessions[opened.number] = session
            numbers[session.id] = opened.number
            entryCount += session.entryCount
            for root in opened.record.roots where root.isLive {
                if let after = root.after { marks[root.entity] = max(marks[root.entity] ?? .zero, after) }
            }
        }
        if marks.count > JournaledLoop.maximumIdleMarks + 2 * sessions.count { dropIdleMarks() }
    }

    private mutating func dropIdleMarks() {
        var followed: Set<RootEntity> = []
        for session in sessions.values { followed.formUnion(session.entities) }
        marks = marks.filter { followed.contains($0.key) }
    }

    private mutating func remove(_ number: UInt32) {
        guard let session = sessions.removeValue(forKey: number) else { return }
        entryCount -= session.entryCount
        if numbers[session.id] == number { numbers[session.id] = nil }
    }

    mutating func forget(_ id: SessionID) { if let number = numbers[id] { remove(number) } }

    func session(_ id: SessionID) -> JournaledSession? { numbers[id].flatMap { sessions[$0] } }

    func record(of id: SessionID, at sequence: Int) -> SessionRecord? {
        session(id)?.record(at: sequence, marks: marks)
    }
}
