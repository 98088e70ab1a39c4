import Identity
import Placement
import Replication

/// Knows all that is committed, as it really is, and checks every step of the nodes against it.
final class Oracle {
    private(set) var violation: Violation?
    /// By slot: the entries that are committed, from index 1.
    private(set) var committed: [[ModelEntry]]
    private var openings: [[Epoch: String]]
    /// By slot: the highest epoch in which anybody has served, and who.
    private var served: [(epoch: Epoch, node: Int)]
    private var lastID: [Snowflake]
    /// By slot: the events that a subscriber has got, which asks each new primary for those after its last.
    private(set) var events: [[LogIndex]]
    private var subscribed: [UInt64]
    unowned let world: World

    init(world: World, slots: Int) {
        self.world = world
        committed = Array(repeating: [], count: slots)
        openings = Array(repeating: [:], count: slots)
        served = Array(repeating: (.zero, 0), count: slots)
        lastID = Array(repeating: Snowflake(rawValue: 0), count: slots)
        events = Array(repeating: [], count: slots)
        subscribed = Array(repeating: 0, count: slots)
    }

    func fail(_ invariant: String, _ detail: @autoclosure () -> String) {
        guard violation == nil else { return }
        let found = Violation(
            invariant: invariant, detail: detail(), time: Double(world.now / 1_000_000) / 1_000)
        violation = found
        world.trace("VIOLATION \(found)")
    }

    func opened(_ slot: Int, _ epoch: Epoch, by node: Node) {
        let name = "\(node.index).\(node.life)"
        if let other = openings[slot][epoch], other != name {
            fail("one primary an epoch", "slot \(slot) epoch \(epoch): \(other) and \(name)")
        }
        openings[slot][epoch] = name
    }

    /// A primary takes all through `index` for committed.
    func commits(_ host: SlotHost, at node: Node, through index: LogIndex) {
        let slot = host.slot
        let known = committed[slot].count
        var next = max(host.reportedCommit.rawValue, host.base.index.rawValue) + 1
        while next <= index.rawValue {
            guard let entry = host.entry(at: LogIndex(rawValue: next)) else {
                fail("committed entries are in the log", "slot \(slot) index \(next) at \(node.index)")
                return
            }
            if next <= UInt64(committed[slot].count) {
                if committed[slot][Int(next) - 1] !== entry {
                    let was = committed[slot][Int(next) - 1].position
                    fail(
                        "the committed prefix survives",
                        "slot \(slot): \(was) became \(entry.position) at \(node.index)")
                    return
                }
            } else {
                commit(entry, of: slot)
            }
            next += 1
        }
        host.reportedCommit = index
        if committed[slot].count > known { checkMembers(slot, "commit") }
    }

    private func commit(_ entry: ModelEntry, of slot: Int) {
        committed[slot].append(entry)
        guard case .append(_, _, let id) = entry.change else { return }
        if id <= lastID[slot] { fail("ids strictly increase", "slot \(slot): \(id) after \(lastID[slot])") }
        lastID[slot] = id
    }

    /// All that may stand for the slot hold all that is committed, on disk.
    func checkMembers(_ slot: Int, _ moment: String) {
        guard let row = world.coordinator.rows[slot], let last = committed[slot].last else { return }
        for member in row.inSync + row.eligible {
            let node = world.nodes[world.number(of: member)]
            let files = node.disk.files[slot]
            // A wiped disk stands for nothing.
            if files.knownEpoch == nil { continue }
            let index = last.position.index
            if index < files.base.index { continue }
            let holds =
                index == files.base.index ? files.base == last.position : files.entry(at: index) === last
            if !holds {
                fail(
                    "members hold what is committed",
                    "at a \(moment), \(member) lacks \(last.position) of slot \(slot), has \(files.last)")
            }
        }
    }

    func applies(_ entry: ModelEntry, of slot: Int, at node: Node) {
        let index = Int(entry.position.index.rawValue)
        guard index <= committed[slot].count else {
            return fail("only committed entries are applied", "slot \(slot) \(entry.position) at \(node.index)")
        }
        if committed[slot][index - 1] !== entry {
            fail("the committed prefix survives", "slot \(slot): \(entry.position) applied at \(node.index)")
        }
    }

    /// A node runs a command or answers one.
    func serves(_ slot: Int, at node: Node) {
        for other in world.nodes where other !== node && other.isUp {
            guard let host = other.hosts[slot], host.replica.mayServe(now: other.bootTime) else { continue }
            fail("one serving primary", "slot \(slot): \(node.index) and \(other.index)")
        }
        guard let epoch = node.hosts[slot]?.replica.primaryEpoch else { return }
        if epoch >= served[slot].epoch {
            served[slot] = (epoch, node.index)
        } else if served[slot].node != node.index {
            fail(
                "no primary serves after a later one",
                "slot \(slot): \(node.index) in \(epoch), \(served[slot].node) did in \(served[slot].epoch)")
        }
    }

    func answers(_ call: ClientCall, of slot: Int, resting index: LogIndex) {
        if index.rawValue > UInt64(committed[slot].count) {
            fail("no answer before commit", "call \(call.number) of slot \(slot) rests on \(index)")
        }
    }

    func emits(_ entry: ModelEntry, of slot: Int, at node: Node) {
        let index = entry.position.index
        // The subscriber listens to the latest primary only.
        guard subscribed[slot] == node.life else { return }
        guard index.rawValue <= UInt64(committed[slot].count) else {
            return fail("no event before commit", "slot \(slot) \(entry.position)")
        }
        if let last = events[slot].last, index <= last {
            return fail("each event once, in order", "slot \(slot) \(index) after \(last)")
        }
        let from = Int(events[slot].last?.rawValue ?? 0)
        for missed in committed[slot][from..<Int(index.rawValue) - 1] where missed.hasEvent {
            fail("no event is missed", "slot \(slot) \(missed.position) before \(index)")
        }
        events[slot].append(index)
    }

    /// A primary begins to serve: a subscriber gets the events after its last one.
    func subscribes(to host: SlotHost, at node: Node) {
        let slot = host.slot
        subscribed[slot] = node.life
        let last = events[slot].last ?? .zero
        let through = host.state.applied.index
        guard through > last else { return }
        // What the log does not reach any more, the subscriber finds in the state.
        for entry in committed[slot][Int(last.rawValue)..<Int(min(through.rawValue, UInt64(committed[slot].count)))]
        where entry.hasEvent {
            events[slot].append(entry.position.index)
        }
    }
}
