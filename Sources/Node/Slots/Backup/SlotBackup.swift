import Backup
import Domain
import Identity
import NIOCore
import ObjectStore
import Replication
import Storage
import Wire

/// Brings one slot to a backup. Reads a snapshot and the log on threads for that, a pack at a time, and sends each pack
/// before it reads the next.
struct SlotBackup: Sendable {
    let node: SlotNode
    let catalog: BackupCatalog
    let id: BackupID
    let parent: BackupID?
    let slot: Slot
    let cluster: ClusterID
    let clock: WallClock
    let pace: Pace
    let progress: BackupProgress

    // MARK: Rows

    /// Until this has been done for all slots, no slot's entries are brought: see ``entries()``.
    func rows() async throws -> BackupReply {
        try await node.requireServing(slot)
        if let manifest = try await finished() { return BackupReply(manifest) }
        if let draft: SlotManifest = try await catalog.find(id.rowsManifestKey(slot)) { return BackupReply(draft) }
        let draft: SlotManifest
        if let incremental = try await incremental() {
            draft = incremental
        } else {
            draft = try await wholeRows()
        }
        try await catalog.put(draft, id.rowsManifestKey(slot))
        return BackupReply(draft)
    }

    private func finished() async throws -> SlotManifest? {
        try await catalog.find(id.slotManifestKey(slot), SlotManifest.self)
    }

    /// A manifest without rows, when the log reaches back to where the parent ends.
    private func incremental() async throws -> SlotManifest? {
        guard let parent, let before: SlotManifest = try await catalog.find(parent.slotManifestKey(slot)) else {
            return nil
        }
        let now = try await moment()
        guard before.clusterId == cluster.rawValue, try await reaches(before, now) else { return nil }
        return manifest(now, parent: parent, base: (before.epoch, before.index), packs: [])
    }

    private func manifest(
        _ moment: Moment, parent: BackupID?, base: (UInt64, UInt64), packs: [PackReference]
    ) -> SlotManifest {
        SlotManifest(
            backupId: id, clusterId: cluster.rawValue, slot: slot, incarnation: moment.incarnation, parent: parent,
            base: base, idMark: moment.applied.idMark.rawValue, createdAt: clock.now().description, packs: packs)
    }

    private func wholeRows() async throws -> SlotManifest {
        let slot = slot
        let snapshot = try await node.read { store in store.state.snapshot(slot) }
        let moment = try await node.read { _ in try Moment(snapshot) }
        var packs: [PackReference] = []
        let attempt = UInt64.random(in: 0 ... .max)
        var place: RowPlace? = RowPlace()
        while let begin = place {
            let (writer, next) = try await node.read { _ in try RowPlace.fill(snapshot, from: begin) }
            place = next
            if let reference = try await send(writer, .rows, attempt, packs.count) { packs.append(reference) }
        }
        return manifest(
            moment, parent: nil, base: (moment.applied.epoch.rawValue, moment.applied.index.rawValue), packs: packs)
    }

    private func send(
        _ writer: PackWriter, _ kind: PackReference.Kind, _ attempt: UInt64, _ number: Int
    ) async throws -> PackReference? {
        guard writer.records > 0 else { return nil }
        try Task.checkCancellation()
        var writer = writer
        let content = ObjectContent.bytes(writer.finish())
        await pace.wait(for: content.size)
        let key = id.packKey(slot, attempt: attempt, number: number)
        try await catalog.store.put(key, content)
        progress.add(bytes: content.size, records: writer.records)
        return PackReference(
            key: key, kind: kind, size: content.size, checksum: content.checksum, records: writer.records)
    }

    // MARK: Entries

    /// What the slot has done since its rows were read, and its manifest.
    ///
    /// All slots' rows are there by now. So whatever one slot may lack of another's effects was still in that one's
    /// outbox when its rows were read, or has been caused since: it is in this backup.
    func entries() async throws -> BackupReply {
        try await node.requireServing(slot)
        if let manifest = try await finished() { return BackupReply(manifest) }
        guard var manifest: SlotManifest = try await catalog.find(id.rowsManifestKey(slot)) else {
            throw BackupFailure.missing("the rows of slot \(slot)")
        }
        let now = try await moment()
        if try await reaches(manifest, now) {
            manifest.packs += try await sendEntries(after: manifest.index, through: now.applied.index.rawValue)
            manifest.epoch = now.applied.epoch.rawValue
            manifest.index = now.applied.index.rawValue
            manifest.idMark = now.applied.idMark.rawValue
        } else {
            manifest = try await wholeRows()
            manifest.isReconcilable = false
        }
        try await catalog.put(manifest, id.slotManifestKey(slot))
        return BackupReply(manifest)
    }

    private func sendEntries(after base: UInt64, through last: UInt64) async throws -> [PackReference] {
        var packs: [PackReference] = []
        let attempt = UInt64.random(in: 0 ... .max)
        var next = base + 1
        let slot = slot
        while next <= last {
            let begin = next
            let (writer, end) = try await node.read { store in
                var writer = PackWriter(kind: .entries)
                var next = begin
                while next <= last, !writer.isFull {
                    let entries = try store.log.rawEntries(
                        slot, from: LogIndex(rawValue: next), maximumBytes: Pack.fullSize / 4)
                    guard entries.first?.position.index.rawValue == next else {
                        throw BackupFailure.missing("entry \(next) of slot \(slot) in the log")
                    }
                    for entry in entries where next <= last {
                        writer.add(.entry(entry.encoded))
                        next += 1
                    }
                }
                return (writer, next)
            }
            next = end
            if let reference = try await send(writer, .entries, attempt, packs.count) { packs.append(reference) }
        }
        return packs
    }

    // MARK: What the slot is now

    private func moment() async throws -> Moment {
        let slot = slot
        return try await node.read { store in try Moment(store.state.snapshot(slot)) }
    }

    /// Whether the log has all that followed on what `manifest` holds.
    private func reaches(_ manifest: SlotManifest, _ now: Moment) async throws -> Bool {
        guard manifest.incarnation == now.incarnation, manifest.index <= now.applied.index.rawValue else {
            return false
        }
        let slot = slot
        return try await node.read { store in
            if manifest.index == now.applied.index.rawValue { return manifest.epoch == now.applied.epoch.rawValue }
            let last = try store.log.position(slot, LogIndex(rawValue: manifest.index))
            if let last { return last.epoch.rawValue == manifest.epoch }
            // The entry itself may be trimmed; the next one must be there, and cannot be of an earlier epoch.
            let next = try store.log.position(slot, LogIndex(rawValue: manifest.index + 1))
            return next.map { $0.epoch.rawValue >= manifest.epoch } ?? false
        }
    }

    /// How far a slot is, and which life of its data it is.
    struct Moment: Sendable {
        var applied: StateStore.Applied
        var incarnation: UInt64

        init(_ snapshot: StateSnapshot) throws {
            applied = try snapshot.applied()
            incarnation = try snapshot.get(.meta, MetaRows.incarnation).flatMap { MetaRows.number($0) } ?? 0
        }
    }
}

/// Where the reading of a snapshot goes on.
private struct RowPlace: Sendable {
    var family = 0
    var key: [UInt8] = []

    /// Reads rows into one pack.
    ///
    /// - Returns: where the next one begins; `nil` at the end.
    static func fill(_ snapshot: StateSnapshot, from begin: RowPlace) throws -> (PackWriter, RowPlace?) {
        var writer = PackWriter(kind: .rows)
        var place = begin
        while place.family < Family.allCases.count {
            let family = Family.allCases[place.family]
            var next: [UInt8]?
            try snapshot.scan(family, from: place.key, upTo: MetaRows.pastAllKeys, reverse: false) { key, value in
                guard !writer.isFull else {
                    next = key
                    return false
                }
                writer.add(.row(family: family.rawValue, key: key, value: value))
                return true
            }
            if let next { return (writer, RowPlace(family: place.family, key: next)) }
            place = RowPlace(family: place.family + 1)
        }
        return (writer, nil)
    }
}

extension BackupReply {
    fileprivate init(_ manifest: SlotManifest) {
        self.init(
            isDone: true, bytes: manifest.bytes, records: manifest.packs.reduce(0) { $0 + $1.records },
            detail: manifest.isReconcilable ? "" : "the log no longer reached back to the slot's rows")
    }
}

extension SlotNode {
    /// A slot's rows in the store are those that were acknowledged only once it serves: after a crash they are older,
    /// until the log has been replayed.
    ///
    /// - Throws: ``SlotNotServed``, which passes.
    func requireServing(_ slot: Slot) async throws {
        let ping = SlotCall(slot: slot, epoch: .zero, requestID: nil, kind: .ping, body: ByteBuffer())
        let reply = await perform(ping, deadline: .now() + .seconds(5))
        guard case .done = reply else { throw SlotNotServed(reply: reply) }
    }
}

/// The slot is starting, or moving.
struct SlotNotServed: Error, CustomStringConvertible {
    var reply: SlotReply

    var description: String { "the slot is starting (\(reply))" }
}
