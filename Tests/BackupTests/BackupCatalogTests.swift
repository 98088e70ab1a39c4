import Foundation
import Identity
import NIOCore
import ObjectStore
import Replication
import Testing

@testable import Backup

@Suite("The backups in a store")
struct BackupCatalogTests {
    static let slot = Slot(truncating: 17)
    static let cluster = "0123456789abcdef0123456789abcdef"

    func withCatalog(_ body: (BackupCatalog) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/backups-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body(BackupCatalog(store: DiskObjectStore(folder: folder)))
    }

    static func id(_ number: Int) throws -> BackupID {
        try #require(BackupID("2026112\(number)T000000Z-0000000\(number)"))
    }

    static func entry(_ index: UInt64) -> Entry {
        Entry(
            slot: slot, epoch: Epoch(rawValue: 1), index: LogIndex(rawValue: index), time: Timestamp(milliseconds: 1),
            idMark: Snowflake(rawValue: 0))
    }

    /// A backup of one slot: rows at 10, or entries on a parent; up to `index`.
    @discardableResult
    static func make(
        _ catalog: BackupCatalog, _ id: BackupID, parent: BackupID? = nil, from base: UInt64 = 10, to index: UInt64,
        skipping skipped: UInt64? = nil
    ) async throws -> BackupManifest {
        let begin = BackupBegin(id: id, clusterId: cluster, parent: parent, createdAt: "t")
        try await catalog.put(begin, id.beginKey)
        var packs: [PackReference] = []
        func put(_ bytes: ByteBuffer, _ kind: PackReference.Kind, _ records: Int) async throws {
            let key = id.packKey(slot, attempt: 1, number: packs.count)
            let content = ObjectContent.bytes(bytes)
            try await catalog.store.put(key, content)
            packs.append(
                PackReference(key: key, kind: kind, size: content.size, checksum: content.checksum, records: records))
        }
        if parent == nil { try await put(PackTests.pack(PackTests.rows(100)), .rows, 100) }
        let entries = (base + 1..<index + 1).filter { $0 != skipped }.map { Pack.Record.entry(entry($0).encoded()) }
        try await put(PackTests.pack(entries, kind: .entries), .entries, entries.count)
        var manifest = SlotManifest(
            backupId: id, clusterId: cluster, slot: slot, incarnation: 5, parent: parent, base: (1, base), idMark: 9,
            createdAt: "t", packs: packs)
        manifest.index = index
        try await catalog.put(manifest, id.slotManifestKey(slot))
        let whole = BackupManifest(
            begin: begin, finishedAt: "u", programVersion: "v", dataFormat: 1, isTest: false, recordSha256: "",
            slots: [
                .init(
                    slot: slot.rawValue, sha256: ObjectChecksum(of: try manifest.encoded()).hexadecimal,
                    index: index, isIncremental: parent != nil, bytes: manifest.bytes)
            ])
        try await catalog.put(whole, id.manifestKey)
        return whole
    }

    @Test("names sort by time")
    func names() throws {
        let early = BackupID(time: Timestamp(milliseconds: 1_764_000_000_000), random: .max)
        let late = BackupID(time: Timestamp(milliseconds: 1_764_000_001_000), random: 0)
        #expect(early < late && late.text.hasSuffix("Z-00000000") && BackupID(early.text) == early)
        for wrong in ["", "a/b", "..", "a.b", "a_b"] { #expect(BackupID(wrong) == nil) }
    }

    @Test("one without its manifest is listed as unfinished, and is not given out")
    func unfinished() async throws {
        try await withCatalog { catalog in
            try await Self.make(catalog, try Self.id(1), to: 12)
            try await Self.make(catalog, try Self.id(2), to: 12)
            try await catalog.store.delete(try Self.id(2).manifestKey)
            let listed = try await catalog.list()
            #expect(listed.map(\.isComplete) == [true, false])
            #expect(try listed.map(\.id) == [Self.id(1), Self.id(2)])
            await #expect(throws: BackupFailure.self) { try await catalog.manifest(try Self.id(2)) }
            await #expect(throws: BackupFailure.self) { try await catalog.manifest(try Self.id(3)) }
        }
    }

    @Test("verification reads the whole chain")
    func chain() async throws {
        try await withCatalog { catalog in
            try await Self.make(catalog, try Self.id(1), to: 12)
            try await Self.make(catalog, try Self.id(2), parent: try Self.id(1), from: 12, to: 12)
            let last = try await Self.make(catalog, try Self.id(3), parent: try Self.id(2), from: 12, to: 30)
            #expect(try await catalog.chain(try Self.id(3), Self.slot).map(\.index) == [12, 12, 30])
            #expect(try await catalog.verify(last, last.slots[0]) > 0)
        }
    }

    @Test("verification finds a changed, cut or missing object, a gap, and a parent that was made anew")
    func damage() async throws {
        try await withCatalog { catalog in
            let first = try Self.id(1)
            func expectDamage(_ what: Comment, _ manifest: BackupManifest) async {
                await #expect(throws: (any Error).self, what) { try await catalog.verify(manifest, manifest.slots[0]) }
            }
            let whole = try await Self.make(catalog, first, to: 12)
            let pack = first.packKey(Self.slot, attempt: 1, number: 0)
            try await catalog.store.put(pack, .bytes(PackTests.pack(PackTests.rows(99))))
            await expectDamage("a changed object", whole)
            try await catalog.store.delete(pack)
            await expectDamage("a missing object", whole)
            await expectDamage("a gap", try await Self.make(catalog, first, to: 14, skipping: 12))
            try await Self.make(catalog, first, to: 12)
            let second = try await Self.make(catalog, try Self.id(2), parent: first, from: 12, to: 20)
            try await Self.make(catalog, first, to: 13)
            await expectDamage("a parent that was made anew", second)
            var changed = try await catalog.slotManifest(try Self.id(2), Self.slot)
            changed.idMark += 1
            try await catalog.put(changed, try Self.id(2).slotManifestKey(Self.slot))
            await expectDamage("a slot's manifest that was changed", second)
        }
    }

    @Test("pruning keeps the newest with all they build on, and what may still be finished")
    func pruning() async throws {
        func summary(_ number: Int, parent: Int? = nil, isComplete: Bool = true) throws -> BackupCatalog.Summary {
            .init(
                id: try Self.id(number), isComplete: isComplete, createdAt: "", finishedAt: nil,
                parent: try parent.map(Self.id), clusterId: "", slots: 0, bytes: 0)
        }
        let all = [
            try summary(1), try summary(2, parent: 1), try summary(3), try summary(4, isComplete: false),
            try summary(5, parent: 3), try summary(6, isComplete: false),
        ]
        #expect(BackupCatalog.prunable(all, keeping: 1) == [try Self.id(1), try Self.id(2), try Self.id(4)])
        #expect(BackupCatalog.prunable(all, keeping: 3) == [try Self.id(4)])
        #expect(BackupCatalog.prunable(all, keeping: 0) == BackupCatalog.prunable(all, keeping: 1))
    }

    @Test("a deleted one leaves nothing")
    func deletion() async throws {
        try await withCatalog { catalog in
            try await Self.make(catalog, try Self.id(1), to: 12)
            try await Self.make(catalog, try Self.id(2), to: 12)
            try await catalog.delete(try Self.id(1))
            #expect(try await catalog.list().map(\.id) == [Self.id(2)])
            #expect(try await catalog.store.list(prefix: try Self.id(1).prefix, after: nil, limit: 1).items.isEmpty)
        }
    }

    @Test("a document of a newer format, or that is none, is named")
    func documents() {
        #expect(throws: BackupFailure.unknownFormat(object: "x", 2)) {
            try BackupBegin(decoding: ByteBuffer(string: "{\"format\":2}"), object: "x")
        }
        for wrong in [
            "", "{", "[]", "{\"format\":1}", "{\"format\":1,\"id\":\"../x\",\"cluster_id\":\"\",\"created_at\":\"\"}",
        ] {
            #expect(throws: BackupFailure.self) { try BackupBegin(decoding: ByteBuffer(string: wrong), object: "x") }
        }
    }
}
