import Identity
import Placement
import Replication

/// A guild node: what the runtime does around ``ReplicaSlot`` and ``PeerLiveness``, on a modelled machine.
final class Node {
    unowned let world: World
    let index: Int
    let id: NodeID
    /// The boot clock runs this many millionths too fast.
    let drift: Int64
    private let bootOffset: Int64
    /// What the wall clock is off by, in milliseconds.
    var wallSkew: Int64
    private(set) var isUp = false
    var isPaused = false
    var backlog: [Event] = []
    private(set) var life: UInt64 = 0
    var liveness: PeerLiveness
    var hosts: [SlotHost?]
    var disk: ModelDisk
    var swaps: [Int: CoordinatorCall] = [:]
    private var nextFlush: Int64 = 0
    /// The entries of the append that is being dealt with.
    var arrived: [ModelEntry] = []

    init(world: World, index: Int) {
        self.world = world
        self.index = index
        id = world.names[index]
        drift = Int64(world.random.integer(-30_000...30_000))
        bootOffset = world.random.span(1_000, 100_000_000)
        wallSkew = Int64(world.random.integer(-400...400))
        liveness = PeerLiveness(node: id, life: 0, limits: world.limits, now: BootTime(nanoseconds: 0))
        hosts = Array(repeating: nil, count: world.scenario.slots)
        disk = ModelDisk(slots: world.scenario.slots)
    }

    var bootTime: BootTime { BootTime(nanoseconds: bootOffset + world.now + world.now / 1_000_000 * drift) }
    var wallTime: Timestamp { Timestamp(milliseconds: 1_700_000_000_000 + world.now / 1_000_000 + wallSkew) }

    // MARK: Life

    func start() {
        isUp = true
        life = world.random.next()
        liveness = PeerLiveness(node: id, life: life, limits: world.limits, now: bootTime)
        liveness.setPeers(Set(world.names), now: bootTime)
        nextFlush = world.now + world.random.span(500, 3_000)
        for slot in hosts.indices where !disk.files[slot].isEmpty { recover(slot) }
        for slot in hosts.indices { world.askRow(slot, for: self) }
        world.push(.tick(node: index, life: life), in: world.random.span(0, 50))
    }

    func crash() {
        guard isUp else { return }
        world.trace("node \(index) ends")
        isUp = false
        isPaused = false
        backlog = []
        swaps = [:]
        disk.crash(&world.random)
        hosts = Array(repeating: nil, count: hosts.count)
    }

    /// What the runtime makes of a slot on the disk: the state, and the log through what is known to be committed.
    private func recover(_ slot: Int) {
        var files = disk.files[slot]
        if files.flushed.applied.index < files.base.index {
            return world.oracle.fail("the log reaches back to the state", "slot \(slot) at \(index)")
        }
        if files.flushed.applied.index > files.last.index {
            files.log = []
            files.base = files.flushed.applied
            disk.files[slot] = files
        }
        var state = files.flushed
        var commit = state.applied.index
        var log = EpochSpans(base: files.base)
        for entry in files.log {
            log.append(entry.position)
            commit = max(commit, min(entry.commitIndex, files.last.index))
        }
        while state.applied.index < commit, let entry = files.entry(at: state.applied.index.next) {
            world.oracle.applies(entry, of: slot, at: self)
            state.apply(entry)
        }
        let host = host(
            slot, files,
            ReplicaSlot.Disk(
                log: log, appliedIndex: state.applied.index, commitIndex: commit, knownEpoch: files.knownEpoch), state)
        #if GUILDHALL_MUTATIONS
            if Mutation.active == .forgetEpochsAtStart { return }
        #endif
        liveness.raiseFloor(of: host.replica.slot, to: host.replica.epoch, holder: nil)
    }

    @discardableResult
    private func host(
        _ slot: Int, _ files: ModelDisk.SlotFiles, _ contents: ReplicaSlot.Disk, _ state: SlotModel
    ) -> SlotHost {
        var replica = ReplicaSlot(
            slot: world.slots[slot], node: id, life: life, disk: contents, limits: world.limits)
        replica.wantedMinimum = min(2, world.scenario.nodes)
        let host = SlotHost(slot: slot, replica: replica, files: files, state: state, slots: hosts.count)
        hosts[slot] = host
        return host
    }

    func drop(_ host: SlotHost) {
        host.isDropped = true
        hosts[host.slot] = nil
        disk.clear(host.slot)
    }

    // MARK: Rows

    func rowArrived(_ row: ShardMapRow) {
        let slot = world.number(of: row.slot)
        liveness.raiseFloor(of: row.slot, to: row.epoch, holder: row.primary)
        if hosts[slot] == nil, row.holders.contains(id) {
            host(slot, disk.files[slot], .empty, SlotModel(slots: hosts.count))
        }
        guard let host = hosts[slot] else { return }
        refresh(host)
        host.replica.rowChanged(row, now: bootTime)
        settle(host)
    }

    func swapSettled(_ call: CoordinatorCall, current: ShardMapRow) {
        guard swaps.removeValue(forKey: call.number) != nil, let swap = call.swap else { return }
        if let host = hosts[call.slot] {
            refresh(host)
            host.replica.swapSettled(swap, current: current, now: bootTime)
            settle(host)
        }
        rowArrived(current)
    }

    // MARK: Time

    func refresh(_ host: SlotHost) { host.replica.peers = liveness.view(now: bootTime) }

    func tick() {
        let now = bootTime
        sendBeacons(now)
        let view = liveness.view(now: now)
        for slot in hosts.indices {
            guard let host = hosts[slot] else { continue }
            host.replica.peers = view
            let mayServe = host.replica.mayServe(now: now)
            if host.wasServing, !mayServe, host.replica.isServing, !host.replica.isHandingOver {
                world.totals.leaseLosses += 1
                world.trace("node \(index) slot \(slot): lease lost")
            }
            host.wasServing = mayServe
            if mayServe { world.oracle.serves(slot, at: self) }
            host.replica.tick(now: now, campaignTime: liveness.campaignTime(for: host.replica.slot))
            settle(host)
            if hosts[slot] === host { deliverOutbox(host) }
        }
        if world.now >= nextFlush {
            nextFlush = world.now + world.random.span(500, 4_000)
            flush()
        }
        world.push(.tick(node: index, life: life), in: world.scenario.tick)
    }

    private func sendBeacons(_ now: BootTime) {
        var claims: [NodeID: [PeerLiveness.Claim]]?
        let due = liveness.beacons(
            { peer in
                if claims == nil {
                    claims = [:]
                    for host in hosts {
                        guard let host, host.replica.isPrimary else { continue }
                        let claim = PeerLiveness.Claim(slot: host.replica.slot, epoch: host.replica.primaryEpoch)
                        for member in host.replica.claimedFrom { claims![member, default: []].append(claim) }
                    }
                }
                return claims![peer] ?? []
            }, now: now)
        for (to, beacon) in due { world.send(.beacon(beacon), from: index, to: world.number(of: to)) }
    }

    /// All slots' states at once; then the log below them is not needed for recovery.
    private func flush() {
        disk.syncUnsynced()
        for host in hosts {
            guard let host, !host.isIngesting else { continue }
            #if GUILDHALL_MUTATIONS
                if Mutation.active == .trimUnflushed {
                    trim(host, min(host.state.applied.index, host.replica.trimLimit))
                    if world.random.chance(0.7) { continue }
                }
            #endif
            disk.files[host.slot].flushed = host.state
            var through = min(host.state.applied.index, host.replica.trimLimit).rawValue
            through -= min(through, UInt64(world.scenario.keptEntries))
            trim(host, LogIndex(rawValue: through))
        }
    }

    func trim(_ host: SlotHost, _ through: LogIndex) {
        host.trim(through: through)
        disk.files[host.slot].trim(through: through)
        host.replica.trimmed(through: through)
    }

    // MARK: The log

    func write(_ change: ModelDisk.Change, of host: SlotHost) {
        disk.waiting.append(ModelDisk.Item(host: host, change: change, generation: host.replica.generation))
        if disk.writing.isEmpty { beginWrite() }
    }

    private func beginWrite() {
        guard !disk.waiting.isEmpty else { return }
        disk.writing = disk.waiting
        disk.waiting = []
        let delay = world.random.span(0.2, 4) + (world.random.chance(0.02) ? world.random.span(5, 120) : 0)
        let end = max(world.now + delay, disk.stalledUntil)
        world.push(.logWritten(node: index, life: life), in: end - world.now)
    }

    func logWritten() {
        if disk.isFailing {
            disk.isFailing = false
            world.trace("node \(index): fsync failed, the process exits")
            crash()
            world.push(.restart(node: index), in: world.random.span(500, 3_000))
            return
        }
        let written = disk.writing
        disk.writing = []
        disk.write(written)
        var touched: [SlotHost] = []
        for item in written where !item.host.isDropped {
            let host = item.host
            refresh(host)
            switch item.change {
            case .append(let entries):
                if let last = entries.last {
                    host.replica.durable(through: last.position.index, generation: item.generation)
                }
            case .truncate: break
            case .note(let epoch): host.replica.noted(epoch, now: bootTime)
            case .install(let state): installed(state, at: host)
            }
            if !touched.contains(where: { $0 === host }) { touched.append(host) }
        }
        for host in touched where hosts[host.slot] === host { settle(host) }
        if isUp, disk.writing.isEmpty { beginWrite() }
    }

    private func installed(_ state: SlotModel, at host: SlotHost) {
        host.state = state
        host.base = state.applied
        host.entries = []
        host.isIngesting = false
        disk.files[host.slot].isIngesting = false
        host.replica.installed(at: state.applied)
        world.totals.snapshots += 1
        if let sender = host.snapshotSender {
            world.send(.snapshotInstalled(slot: host.slot, state.applied), from: index, to: sender)
        }
    }
}
