import Foundation
import Identity
import NIOCore
import NIOFoundationCompat
import ObjectStore

/// A JSON document of a backup. Unknown members are skipped; a later format has a higher number.
public protocol BackupDocument: Codable, Hashable, Sendable {
    static var supportedFormat: Int { get }
    /// The longest that is read, in bytes.
    static var maximumSize: Int { get }
    var format: Int { get }
}

extension BackupDocument {
    public static var supportedFormat: Int { 1 }
    public static var maximumSize: Int { 16 << 20 }

    public func encoded() throws -> ByteBuffer {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return ByteBuffer(data: try encoder.encode(self))
    }

    /// - Throws: ``BackupFailure``; every input gives a document or an error.
    public init(decoding bytes: ByteBuffer, object: String) throws(BackupFailure) {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let data = Data(bytes.readableBytesView)
        do {
            let found = try decoder.decode(DocumentFormat.self, from: data).format
            guard found <= Self.supportedFormat else { throw BackupFailure.unknownFormat(object: object, found) }
            self = try decoder.decode(Self.self, from: data)
        } catch let failure as BackupFailure {
            throw failure
        } catch {
            throw .damaged(object: object, reason: "\(error)")
        }
    }
}

/// A newer format may lack what this version asks for, so its number is looked at first, and alone.
private struct DocumentFormat: Decodable { var format: Int }

/// That a backup has begun: what it is to be.
public struct BackupBegin: BackupDocument {
    public var format = 1
    public var id: BackupID
    public var clusterId: String
    /// The finished backup that this one adds to; absent for a full one.
    public var parent: BackupID?
    public var createdAt: String

    public init(id: BackupID, clusterId: String, parent: BackupID?, createdAt: String) {
        self.id = id
        self.clusterId = clusterId
        self.parent = parent
        self.createdAt = createdAt
    }
}

/// One object of a slot's backup.
public struct PackReference: Codable, Hashable, Sendable {
    public enum Kind: String, Codable, Hashable, Sendable { case rows, entries }

    public var key: String
    public var kind: Kind
    /// Bytes.
    public var size: Int
    public var sha256: String
    public var records: Int

    public init(key: ObjectKey, kind: Kind, size: Int, checksum: ObjectChecksum, records: Int) {
        self.key = key.text
        self.kind = kind
        self.size = size
        sha256 = checksum.hexadecimal
        self.records = records
    }
}

/// One slot in one backup: its rows as of an applied index, or a parent to begin from; then entries up to an index.
public struct SlotManifest: BackupDocument {
    public var format = 1
    public var backupId: BackupID
    public var clusterId: String
    public var slot: UInt16
    /// The incarnation of the slot's data: indexes of another one mean nothing here.
    public var incarnation: UInt64
    /// The slot in this finished backup is what these entries follow on; absent when the rows are here.
    public var parent: BackupID?
    /// What the rows, or the parent, hold.
    public var baseEpoch: UInt64
    public var baseIndex: UInt64
    /// What the slot holds after the entries.
    public var epoch: UInt64
    public var index: UInt64
    /// The largest id that the slot had minted by then.
    public var idMark: UInt64
    public var createdAt: String
    /// Whether every effect on other slots that they may lack at the end of this backup is in it: `false` when the log
    /// no longer reached back from the end of the backup to the slot's rows.
    public var isReconcilable: Bool
    public var packs: [PackReference]

    public init(
        backupId: BackupID, clusterId: String, slot: Slot, incarnation: UInt64, parent: BackupID?,
        base: (UInt64, UInt64),
        idMark: UInt64, createdAt: String, packs: [PackReference]
    ) {
        self.backupId = backupId
        self.clusterId = clusterId
        self.slot = slot.rawValue
        self.incarnation = incarnation
        self.parent = parent
        (baseEpoch, baseIndex) = base
        (epoch, index) = base
        self.idMark = idMark
        self.createdAt = createdAt
        isReconcilable = true
        self.packs = packs
    }

    /// Bytes of the slot's objects.
    public var bytes: Int { packs.reduce(0) { $0 + $1.size } }
}

/// A whole backup. Written last, so that a half-done one is never taken for whole.
public struct BackupManifest: BackupDocument {
    public struct SlotEntry: Codable, Hashable, Sendable {
        public var slot: UInt16
        /// Of the slot's manifest.
        public var sha256: String
        public var index: UInt64
        public var isIncremental: Bool
        /// Of the slot's objects.
        public var bytes: Int

        public init(slot: UInt16, sha256: String, index: UInt64, isIncremental: Bool, bytes: Int) {
            self.slot = slot
            self.sha256 = sha256
            self.index = index
            self.isIncremental = isIncremental
            self.bytes = bytes
        }
    }

    public var format = 1
    public var id: BackupID
    public var clusterId: String
    public var parent: BackupID?
    public var createdAt: String
    public var finishedAt: String
    public var programVersion: String
    public var dataFormat: Int
    public var isTest: Bool
    /// Of the cluster's record.
    public var recordSha256: String
    public var slots: [SlotEntry]

    public init(
        begin: BackupBegin, finishedAt: String, programVersion: String, dataFormat: Int, isTest: Bool,
        recordSha256: String, slots: [SlotEntry]
    ) {
        id = begin.id
        clusterId = begin.clusterId
        parent = begin.parent
        createdAt = begin.createdAt
        self.finishedAt = finishedAt
        self.programVersion = programVersion
        self.dataFormat = dataFormat
        self.isTest = isTest
        self.recordSha256 = recordSha256
        self.slots = slots
    }

    public var bytes: Int { slots.reduce(0) { $0 + $1.bytes } }
}
