import NIOCore
import Transport
import Wire

/// What sessions are given goes to the buddy before it goes to the sockets (DESIGN §10).
extension ClientLoop {
    /// A buddy was found, or lost.
    func journal(on stream: (any TransportStream)?) {
        journalStream = stream
        if stream != nil { journal.begin(host.sessions.values) } else { journal.end(host.sessions.values) }
        watchJournal(stream != nil)
        releaseAll()
    }

    /// The buddy may have taken this gateway for lost and given its sessions to others.
    func doubtSessions() {
        for session in host.sessions.values { session.isDoubtful = true }
    }

    /// The buddy has a tick: what waited for it goes out.
    func journaled(_ tick: UInt64) {
        guard journal.answered(tick) else { return }
        let batch = awaiting
        awaiting.removeAll(keepingCapacity: true)
        for connection in batch { flush(connection, upTo: connection.sealedCount) }
    }

    func checkJournal() {
        setNow()
        switch journal.delay(now: now) {
        case .none: break
        case .late:
            tally.lateTicks += 1
            releaseAll()
        case .lost: loseJournal("no answer in time")
        }
    }

    /// Writes what waits for the journal without waiting any longer.
    private func releaseAll() {
        let batch = awaiting
        awaiting.removeAll(keepingCapacity: true)
        for connection in batch { flush(connection) }
        flushDirty()
    }

    private func loseJournal(_ reason: String) {
        guard let stream = journalStream else { return }
        doubtSessions()
        journal(on: nil)
        context.journalLost(stream, reason)
    }

    /// Writes what needs no journal, and begins the next tick with the rest unless one is under way.
    func flushJournaled() {
        if journal.isHolding {
            // In place: those that are held stay.
            var held = 0
            var position = 0
            while position < dirty.count {
                let connection = dirty[position]
                position += 1
                if connection.isHeld {
                    dirty[held] = connection
                    held += 1
                } else {
                    connection.isDirty = false
                    flush(connection)
                }
            }
            dirty.removeLast(dirty.count - held)
        } else {
            flushDirty()
        }
        guard !journal.isUnderWay else { return }
        guard let stream = journalStream,
            let tick = journal.seal(
                now: now, record: host.record, lives: { [host] in host?.sessions[$0.id] === $0 })
        else { return flushDirty() }
        guard stream.send(JournalMessage.tick(tick).encoded()) else { return loseJournal("queue full or closed") }
        for connection in dirty {
            connection.isDirty = false
            connection.sealedCount = connection.pending.count
            awaiting.append(connection)
        }
        dirty.removeAll(keepingCapacity: true)
    }

    func flushDirty() {
        while !dirty.isEmpty {
            let batch = dirty
            dirty.removeAll(keepingCapacity: true)
            for connection in batch {
                connection.isDirty = false
                flush(connection)
            }
        }
    }
}
