import Identity
import NIOCore
import ObjectStore
import Replication

/// The backups in one object store.
public struct BackupCatalog: Sendable {
    /// The longest chain of incremental backups that is followed.
    public static let maximumChain = 1_000

    public struct Summary: Hashable, Sendable, Codable {
        public var id: BackupID
        public var isComplete: Bool
        public var createdAt: String
        public var finishedAt: String?
        public var parent: BackupID?
        public var clusterId: String
        public var slots: Int
        /// Of this backup's own objects.
        public var bytes: Int
    }

    public let store: any ObjectStore

    public init(store: any ObjectStore) { self.store = store }

    // MARK: Documents

    public func put(_ document: some BackupDocument, _ key: ObjectKey) async throws {
        try await store.put(key, .bytes(try document.encoded()))
    }

    /// `nil` when there is none.
    public func find<Document: BackupDocument>(_ key: ObjectKey, _: Document.Type = Document.self) async throws
        -> Document?
    {
        do {
            let bytes = try await store.collect(key, limit: Document.maximumSize)
            return try Document(decoding: bytes, object: key.text)
        } catch ObjectStoreFailure.notFound {
            return nil
        }
    }

    /// - Throws: ``BackupFailure/incomplete(_:)`` or ``BackupFailure/missing(_:)`` when it is not whole.
    public func manifest(_ id: BackupID) async throws -> BackupManifest {
        if let manifest = try await find(id.manifestKey, BackupManifest.self) { return manifest }
        guard try await store.head(id.beginKey) != nil else { throw BackupFailure.missing("the backup \(id)") }
        throw BackupFailure.incomplete(id.text)
    }

    /// - Parameter checksum: what the backup's manifest says of it.
    public func slotManifest(_ id: BackupID, _ slot: Slot, checksum: String? = nil) async throws -> SlotManifest {
        let key = id.slotManifestKey(slot)
        let bytes: ByteBuffer
        do { bytes = try await store.collect(key, limit: SlotManifest.maximumSize) } catch ObjectStoreFailure.notFound {
            throw BackupFailure.missing(key.text)
        }
        if let checksum, ObjectChecksum(of: bytes).hexadecimal != checksum {
            throw BackupFailure.damaged(object: key.text, reason: "its checksum is another")
        }
        return try SlotManifest(decoding: bytes, object: key.text)
    }

    /// The slot's manifests from the one with its rows to the one of `id`.
    public func chain(_ id: BackupID, _ slot: Slot) async throws -> [SlotManifest] {
        var chain: [SlotManifest] = []
        var next: BackupID? = id
        while let id = next {
            guard chain.count < BackupCatalog.maximumChain else {
                throw BackupFailure.invalid("more than \(BackupCatalog.maximumChain) backups build on each other")
            }
            let manifest = try await slotManifest(id, slot)
            if let later = chain.last {
                guard manifest.index == later.baseIndex, manifest.epoch == later.baseEpoch,
                    manifest.incarnation == later.incarnation
                else {
                    throw BackupFailure.damaged(
                        object: id.slotManifestKey(slot).text, reason: "the next backup does not go on where it ends")
                }
            }
            chain.append(manifest)
            next = manifest.parent
        }
        return chain.reversed()
    }

    // MARK: Packs

    /// Calls `body` with each record of the slot's manifest, in order; the bytes are compared with the manifest.
    public func records(of manifest: SlotManifest, _ body: (Pack.Record) async throws -> Void) async throws {
        for reference in manifest.packs {
            guard let key = ObjectKey(reference.key), reference.size <= Pack.maximumSize else {
                throw BackupFailure.damaged(object: reference.key, reason: "the manifest names no object")
            }
            let bytes: ByteBuffer
            do { bytes = try await store.collect(key, limit: reference.size) } catch ObjectStoreFailure.notFound {
                throw BackupFailure.missing(reference.key)
            }
            guard ObjectChecksum(of: bytes).hexadecimal == reference.sha256 else {
                throw BackupFailure.damaged(object: reference.key, reason: "its checksum is another")
            }
            do {
                var reader = try PackReader(bytes)
                var count = 0
                while let record = try reader.next() {
                    count += 1
                    try await body(record)
                }
                guard count == reference.records else {
                    throw BackupFailure.damaged(object: reference.key, reason: "it has \(count) records")
                }
            } catch let error as PackError {
                throw BackupFailure.damaged(object: reference.key, reason: "\(error)")
            }
        }
    }

    // MARK: All backups

    /// Oldest first.
    public func list() async throws -> [Summary] {
        var summaries: [Summary] = []
        for id in try await ids() {
            if let manifest = try await find(id.manifestKey, BackupManifest.self) {
                summaries.append(
                    Summary(
                        id: id, isComplete: true, createdAt: manifest.createdAt, finishedAt: manifest.finishedAt,
                        parent: manifest.parent, clusterId: manifest.clusterId, slots: manifest.slots.count,
                        bytes: manifest.bytes))
            } else if let begin = try await find(id.beginKey, BackupBegin.self) {
                summaries.append(
                    Summary(
                        id: id, isComplete: false, createdAt: begin.createdAt, finishedAt: nil, parent: begin.parent,
                        clusterId: begin.clusterId, slots: 0, bytes: 0))
            }
        }
        return summaries
    }

    /// Names under which anything lies, one listing of one object for each.
    private func ids() async throws -> [BackupID] {
        var ids: [BackupID] = []
        var after: ObjectKey?
        while true {
            let page = try await store.list(prefix: BackupID.root, after: after, limit: 1)
            guard let key = page.items.first?.key,
                let name = key.text.dropFirst(BackupID.root.count).split(separator: "/").first
            else { return ids }
            if let id = BackupID(String(name)) { ids.append(id) }
            // Behind all keys of this backup: '~' could not be in one, so the last that can be is asked from.
            after = ObjectKey(BackupID.root + name + "/" + String(repeating: "z", count: 64))
        }
    }

    /// Which backups may go when the newest `kept` whole ones stay, with what those build on.
    public static func prunable(_ summaries: [Summary], keeping kept: Int) -> [BackupID] {
        let whole = summaries.filter(\.isComplete).sorted { $0.id < $1.id }
        var needed: Set<BackupID> = []
        let parents = Dictionary(summaries.map { ($0.id, $0.parent) }, uniquingKeysWith: { first, _ in first })
        for summary in whole.suffix(max(1, kept)) {
            var next: BackupID? = summary.id
            while let id = next, needed.insert(id).inserted { next = parents[id] ?? nil }
        }
        // One that is under way, or can still be finished, is newer than all that are kept.
        let newest = whole.last?.id
        return summaries.filter { summary in
            guard !needed.contains(summary.id) else { return false }
            return summary.isComplete || newest.map { summary.id < $0 } ?? false
        }.map(\.id)
    }

    /// Deletes a backup; its manifest goes first, so that what a crash leaves is known to be a half.
    public func delete(_ id: BackupID) async throws {
        try await store.delete(id.manifestKey)
        try await store.forEach(prefix: id.prefix) { item in
            if item.key != id.beginKey { try await store.delete(item.key) }
        }
        try await store.delete(id.beginKey)
    }

    // MARK: Verification

    /// Reads all that one slot of a backup is made of, back to its rows.
    ///
    /// - Returns: bytes read.
    public func verify(_ manifest: BackupManifest, _ entry: BackupManifest.SlotEntry) async throws -> Int {
        let slot = Slot(truncating: UInt64(entry.slot))
        _ = try await slotManifest(manifest.id, slot, checksum: entry.sha256)
        var bytes = 0
        var index: UInt64?
        for link in try await chain(manifest.id, slot) {
            guard link.slot == entry.slot, link.clusterId == manifest.clusterId else {
                throw BackupFailure.damaged(
                    object: link.backupId.slotManifestKey(slot).text, reason: "it is of another slot or cluster")
            }
            if let index, index != link.baseIndex { throw BackupFailure.invalid("slot \(slot) has a gap") }
            var last = link.baseIndex
            try await records(of: link) { record in
                guard case .entry(let encoded) = record else { return }
                let head: Entry.Head
                do { head = try Entry.head(of: encoded, verifying: true) } catch {
                    throw BackupFailure.damaged(object: "an entry of slot \(slot)", reason: "\(error)")
                }
                guard head.slot == slot, head.position.index.rawValue == last + 1 else {
                    throw BackupFailure.damaged(
                        object: "slot \(slot)", reason: "entry \(head.position.index) follows \(last)")
                }
                last = head.position.index.rawValue
            }
            guard last == link.index else {
                throw BackupFailure.damaged(object: "slot \(slot)", reason: "it ends with entry \(last)")
            }
            index = link.index
            bytes += link.bytes
        }
        return bytes
    }
}
