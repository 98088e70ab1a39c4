import DequeModule
import Identity
import NIOCore
import Wire

/// A loop's side of the journal, without I/O: it gathers what happens to sessions, and makes a tick of it.
///
/// A session is journaled from the tick on in which it is opened with its whole state; one that is not yet is delivered
/// to as if there were no journal. One tick is under way at a time, and what happens meanwhile is the next: the busier
/// the loop, the larger its ticks. Deliveries of journaled sessions wait for their tick's answer, at most
/// `maximumWait`; after that they go out, and the session is not resumable after a crash until the answer comes.
final class SessionJournal {
    /// Without an answer for so long, another buddy is looked for.
    static let patience = TimeAmount.seconds(2)
    /// The most sessions, and about the most bytes of them, that a tick opens: a new buddy's baseline goes in pieces.
    static let maximumOpened = 256
    static let maximumOpenedBytes = 1 << 20
    /// What gathers behind a tick; more, and another buddy is looked for.
    static let maximumBytes = 8 << 20

    let loop: Int
    private let maximumWait: TimeAmount
    private(set) var isActive = false
    private var groups = ByteBuffer()
    private var header: JournalGroup.Header?
    private var countIndex = 0
    private var count: UInt32 = 0
    /// Sessions that the buddy does not have yet.
    private var waiting: Deque<Session> = []
    private var closed: [UInt32] = []
    private var nextNumber: UInt32 = 1
    private var number: UInt64 = 0
    /// Since when a tick is not answered.
    private var sealedAt: NIODeadline?
    /// The tick under way has taken too long: nothing waits for it.
    private(set) var isLate = false
    /// Sessions that were opened, and of them those that the buddy is known to have.
    private var openedCount = 0
    private(set) var journaledCount = 0

    /// - Parameter maximumWait: the longest that a delivery waits for its journal.
    init(loop: Int, maximumWait: TimeAmount) {
        self.loop = loop
        self.maximumWait = maximumWait
    }

    /// Whether deliveries wait for the journal.
    var isHolding: Bool { isActive && !isLate }
    var isUnderWay: Bool { sealedAt != nil }

    // MARK: Sessions

    /// A new buddy has nothing yet.
    func begin(_ sessions: some Sequence<Session>) {
        reset()
        isActive = true
        waiting.append(contentsOf: sessions)
    }

    /// There is no buddy.
    ///
    /// - Parameter sessions: all of the loop.
    func end(_ sessions: some Sequence<Session>) {
        for session in sessions { session.journal = nil }
        reset()
    }

    private func reset() {
        isActive = false
        isLate = false
        sealedAt = nil
        openedCount = 0
        journaledCount = 0
        groups.clear()
        header = nil
        waiting.removeAll()
        closed.removeAll()
    }

    func adopt(_ session: Session) { if isActive { waiting.append(session) } }

    func close(_ session: Session) {
        closed.append(session.journalNumber)
        session.journal = nil
        openedCount -= 1
        journaledCount = min(journaledCount, openedCount)
    }

    // MARK: What happens

    /// A root entity's event comes to all who follow it.
    func handled(_ root: RootEntity, _ number: EventNumber) { if isActive { begin(.event(root, number)) } }

    /// The session was sent something: it has its sequence number already.
    func sent(_ cause: Dispatch.Cause, _ session: Session) {
        switch cause {
        case .event(let root, let number): append(.event(root, number), session)
        case .shift(let guild, let channel, let hasAppeared):
            append(.shift(guild, channel, hasAppeared: hasAppeared), session)
        case .channel(let guild, let channel, let hasAppeared, let number):
            append(.event(.guild(guild), number), session)
            append(.shift(guild, channel, hasAppeared: hasAppeared), session)
        case .other: append(.other, session)
        }
    }

    /// An event changed the session, whether it was sent or not.
    func took(_ root: RootEntity, _ number: EventNumber, _ session: Session) { append(.event(root, number), session) }

    func changed(_ root: RootEntity, _ state: JournaledRoot?, _ session: Session) {
        append(.state(root, state), session)
    }

    func acknowledged(_ sequence: Int, _ session: Session) {
        begin(.acknowledged)
        writeEntry(session, sequence)
    }

    private func append(_ next: JournalGroup.Header, _ session: Session) {
        begin(next)
        writeEntry(session, session.sequence)
    }

    private func writeEntry(_ session: Session, _ sequence: Int) {
        groups.writeEntry(session: session.journalNumber, sequence: sequence)
        count += 1
    }

    private func begin(_ next: JournalGroup.Header) {
        if header == next { return }
        finishGroup()
        header = next
        groups.writeHeader(next)
        countIndex = groups.writerIndex
        count = 0
        groups.writeInteger(count, endianness: .little)
    }

    private func finishGroup() {
        if header != nil { groups.setInteger(count, at: countIndex, endianness: .little) }
        header = nil
    }

    // MARK: Ticks

    /// More waits than a buddy that keeps up would leave.
    var isOverfull: Bool { groups.readableBytes > SessionJournal.maximumBytes }

    /// The next tick; `nil` when there is nothing to tell, or one is under way.
    ///
    /// - Parameter record: a session as it stands.
    func seal(now: NIODeadline, record: (Session) -> SessionRecord, lives: (Session) -> Bool) -> JournalTick? {
        guard isActive, sealedAt == nil else { return nil }
        finishGroup()
        guard groups.readableBytes > 0 || !waiting.isEmpty || !closed.isEmpty else { return nil }
        number += 1
        var tick = JournalTick(loop: loop, number: number)
        tick.groups = groups
        // The bytes belong to the message now; the next tick writes to its own.
        groups = ByteBufferAllocator().buffer(capacity: min(tick.groups.readableBytes, 64 * 1024))
        tick.closed = closed
        closed.removeAll(keepingCapacity: true)
        var bytes = 0
        while bytes < SessionJournal.maximumOpenedBytes, tick.opened.count < SessionJournal.maximumOpened,
            let session = waiting.popFirst()
        {
            guard lives(session), session.journal == nil else { continue }
            session.journalNumber = nextNumber
            nextNumber &+= 1
            session.journal = self
            openedCount += 1
            var record = record(session)
            record.floor = max(record.floor, record.settled)
            record.deliveries = record.deliveries.filter { $0.sequence > record.floor }
            for index in record.deliveries.indices { record.deliveries[index].tail = ByteBuffer() }
            bytes += 256 + 48 * record.deliveries.count + record.roots.reduce(0) { $0 + 40 + 9 * ($1.seen?.count ?? 0) }
            tick.opened.append(JournalTick.Opened(number: session.journalNumber, record: record))
        }
        sealedAt = now
        return tick
    }

    /// The buddy has the tick.
    ///
    /// - Returns: whether it is the one under way.
    func answered(_ tick: UInt64) -> Bool {
        guard isActive, sealedAt != nil, tick == number else { return false }
        sealedAt = nil
        isLate = false
        journaledCount = openedCount
        return true
    }

    enum Delay {
        case none
        /// What waits is to be sent without its journal.
        case late
        /// The buddy is gone or far too slow.
        case lost
    }

    func delay(now: NIODeadline) -> Delay {
        guard isActive, let sealedAt else { return .none }
        let age = now - sealedAt
        if age >= max(SessionJournal.patience, maximumWait) || isOverfull { return .lost }
        guard age >= maximumWait, !isLate else { return .none }
        isLate = true
        return .late
    }
}
