import Backup
import Domain
import Identity
import NIOCore
import ObjectStore
import Replication
import Routing
import Storage
import Wire

/// Loads one slot from a backup, through the slot's own log.
struct SlotRestore: Sendable {
    /// Bytes of rows in one step.
    static let stepSize = 1 << 20
    static let stepTimeout = TimeAmount.seconds(30)
    /// Effects in one delivery.
    static let deliverySize = 64

    let node: SlotNode
    let caller: any SlotCaller
    let catalog: BackupCatalog
    let id: BackupID
    let slot: Slot
    let pace: Pace
    let progress: BackupProgress

    /// - Throws: ``BackupFailure/invalid(_:)`` unless the slot is empty, or is being restored from this backup.
    func check() async throws -> BackupReply {
        try await node.requireServing(slot)
        let slot = slot
        let id = id
        try await node.read { store in
            if let row = try store.state.get(slot, .meta, MetaRows.restored) {
                let marker = try RestoreMarker(decoding: row)
                guard marker.backup == id.text else {
                    throw BackupFailure.invalid("slot \(slot) was restored from the backup \(marker.backup)")
                }
                return
            }
            for family in [Family.guild, .message, .user, .index] {
                try store.state.scan(slot, family, from: [], upTo: MetaRows.pastAllKeys) { _, _ in
                    throw BackupFailure.invalid(
                        "slot \(slot) is not empty: a backup is restored into a new cluster only")
                }
            }
        }
        return reply()
    }

    // MARK: Loading

    func load() async throws -> BackupReply {
        let chain = try await catalog.chain(id, slot)
        guard let last = chain.last else { throw BackupFailure.missing("slot \(slot) of the backup \(id)") }
        let marker = RestoreMarker(
            backup: id.text, state: .loading, incarnation: last.incarnation, isReconcilable: last.isReconcilable)
        var found = try await step(.begin, marker)
        if found.state == .loading {
            var loading = Loading(slot: slot, idMark: Snowflake(rawValue: last.idMark))
            for manifest in chain { try await load(manifest, isLast: manifest == last, &loading) }
            for operation in loading.image.operations { try await add(operation, marker, &loading) }
            try await flush(marker, &loading)
            found = try await step(.loaded, marker)
        }
        return reply()
    }

    private func reply(_ detail: String = "") -> BackupReply {
        let done = progress.value
        return BackupReply(isDone: true, bytes: done.bytes, records: done.records, detail: detail)
    }

    /// What is read and not yet in the slot.
    private struct Loading {
        let slot: Slot
        let idMark: Snowflake
        var image = RestoreImage()
        var operations: [Entry.Operation] = []
        var bytes = 0
        var marker: RestoreMarker?
    }

    private func load(_ manifest: SlotManifest, isLast: Bool, _ loading: inout Loading) async throws {
        let marker = RestoreMarker(
            backup: id.text, state: .loading, incarnation: manifest.incarnation,
            isReconcilable: manifest.isReconcilable)
        var state = loading
        var isBeforeEntries = isLast
        if manifest.packs.isEmpty, isLast { state.image.beginLastEntries() }
        try await catalog.records(of: manifest) { record in
            switch record {
            case .row(Family.meta.rawValue, let key, let value): try state.image.put(key, value)
            case .row(let family, let key, let value):
                try await add(.put(family: family, key: key, value: value), marker, &state)
            case .entry(let encoded):
                if isBeforeEntries { state.image.beginLastEntries() }
                isBeforeEntries = false
                let entry: Entry
                do { entry = try Entry(decoding: encoded) } catch {
                    throw BackupFailure.damaged(object: "an entry of slot \(slot)", reason: "\(error)")
                }
                try state.image.apply(entry)
                for operation in entry.operations where operation.family != Family.meta.rawValue {
                    try await add(operation, marker, &state)
                }
            }
        }
        loading = state
        await pace.wait(for: manifest.bytes)
        progress.add(bytes: manifest.bytes, records: manifest.packs.reduce(0) { $0 + $1.records })
    }

    private func add(
        _ operation: Entry.Operation, _ marker: RestoreMarker, _ loading: inout Loading
    ) async throws {
        if loading.bytes + operation.bytes > SlotRestore.stepSize { try await flush(marker, &loading) }
        loading.operations.append(operation)
        loading.bytes += operation.bytes
    }

    private func flush(_ marker: RestoreMarker, _ loading: inout Loading) async throws {
        var entry = Entry(
            slot: slot, epoch: .zero, index: .zero, time: Timestamp(milliseconds: 0), idMark: loading.idMark)
        entry.operations = loading.operations
        _ = try await step(.load, marker, entry.encoded())
        loading.operations = []
        loading.bytes = 0
    }

    private func step(
        _ stage: RestoreStep.Stage, _ marker: RestoreMarker, _ entry: ByteBuffer = ByteBuffer()
    ) async throws -> RestoreMarker {
        try Task.checkCancellation()
        let body = RestoreStep(stage: stage, marker: marker, entry: entry).encoded()
        let reply = try await caller.call(
            slot, kind: .restore, body: body, requestID: nil, deadline: .now() + SlotRestore.stepTimeout)
        return try RestoreMarker(decoding: reply)
    }

    // MARK: Finishing

    /// Delivers what other slots lack, under the slot's old incarnation: each of them knows what it has.
    func finish() async throws -> BackupReply {
        try await node.requireServing(slot)
        let marker = try await node.read { [slot] store in
            try store.state.get(slot, .meta, MetaRows.restored).map { try RestoreMarker(decoding: $0) }
        }
        guard let marker, marker.backup == id.text, marker.state != .loading else {
            throw BackupFailure.invalid("slot \(slot) is not loaded from the backup \(id)")
        }
        var lacking = 0
        if marker.state == .loaded {
            for (destination, effects) in try await candidates() {
                if try await !deliver(effects, to: destination, marker) { lacking += 1 }
            }
            _ = try await step(.finish, marker)
        }
        return reply(
            lacking == 0 ? "" : "\(lacking) slots may lack effects of slot \(slot): the backup does not hold them")
    }

    private func candidates() async throws -> [(destination: Slot, effects: [(number: UInt64, effect: ByteBuffer)])] {
        let slot = slot
        return try await node.read { store in
            var found: [(destination: Slot, effects: [(number: UInt64, effect: ByteBuffer)])] = []
            let (from, upTo) = MetaRows.allRestoredOutbox
            try store.state.scan(slot, .meta, from: from, upTo: upTo) { key, effect in
                let destination = MetaRows.outboxDestination(key)
                if found.last?.destination != destination { found.append((destination, [])) }
                found[found.count - 1].effects.append((MetaRows.outboxNumber(key), effect))
                return true
            }
            return found
        }
    }

    /// - Returns: `false` when the destination lacks effects before these, and the backup is known not to hold them.
    private func deliver(
        _ effects: [(number: UInt64, effect: ByteBuffer)], to destination: Slot, _ marker: RestoreMarker
    ) async throws -> Bool {
        var rest = effects[...]
        while let first = rest.first {
            let batch = rest.prefix(SlotRestore.deliverySize)
            let body = OutboxDelivery(
                source: slot, incarnation: marker.incarnation, first: first.number, effects: batch.map(\.effect)
            ).encoded()
            do {
                let reply = try await caller.call(
                    destination, kind: .outbox, body: body, requestID: nil,
                    deadline: .now() + (marker.isReconcilable ? SlotRestore.stepTimeout : .seconds(2)))
                let through = try OutboxAcknowledgement(decoding: reply).through
                rest = rest.drop { $0.number <= through }
            } catch  where !marker.isReconcilable && !Task.isCancelled {
                return false
            }
        }
        return true
    }
}

extension Entry.Operation {
    fileprivate var family: UInt8 {
        switch self {
        case .put(let family, _, _), .delete(let family, _), .deleteRange(let family, _, _): family
        }
    }

    /// About how many bytes it takes.
    fileprivate var bytes: Int {
        switch self {
        case .put(_, let key, let value): key.count + value.readableBytes + 16
        case .delete(_, let key): key.count + 16
        case .deleteRange(_, let from, let upTo): from.count + upTo.count + 16
        }
    }
}
