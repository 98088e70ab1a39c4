import Coordination
import Identity
import NIOCore
import Wire

/// What makes a cluster this cluster: kept in the coordinator under ``CoordinatorKey/cluster``, written once, at the
/// first start, and read by every process before it does anything else.
public struct ClusterRecord: Hashable, Sendable, FieldCodable, CustomStringConvertible {
    /// The newest data format that this version reads.
    public static let supportedDataFormat: UInt64 = 1
    /// Bytes of the secret that tokens are signed with.
    public static let secretLength = 32

    public var id: ClusterID
    /// At least 32 bytes; never logged.
    public var tokenSecretBytes: [UInt8]
    /// Tests may move the cluster's clock.
    public var isTest: Bool
    public var dataFormat: UInt64
    public var createdAt: Timestamp

    public init(id: ClusterID, tokenSecretBytes: [UInt8], isTest: Bool, dataFormat: UInt64, createdAt: Timestamp) {
        self.id = id
        self.tokenSecretBytes = tokenSecretBytes
        self.isTest = isTest
        self.dataFormat = dataFormat
        self.createdAt = createdAt
    }

    /// A new cluster with a random id and secret.
    public static func new(isTest: Bool, createdAt: Timestamp) -> ClusterRecord {
        var generator = SystemRandomNumberGenerator()
        return ClusterRecord(
            id: .random(using: &generator),
            tokenSecretBytes: (0..<secretLength).map { _ in UInt8.random(in: .min ... .max, using: &generator) },
            isTest: isTest, dataFormat: supportedDataFormat, createdAt: createdAt)
    }

    /// What tokens are signed and verified with.
    public var tokenSecret: TokenSecret { TokenSecret(bytes: tokenSecretBytes) }

    public var description: String {
        "ClusterRecord(id: \(id), isTest: \(isTest), dataFormat: \(dataFormat), createdAt: \(createdAt), secret hidden)"
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, dataFormat)
        writer.write(2, id.rawValue)
        writer.write(3, tokenSecretBytes)
        if isTest { writer.write(4, true) }
        writer.write(5, createdAt)
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var dataFormat: UInt64?
        var id: ClusterID?
        var secret: [UInt8] = []
        var isTest = false
        var createdAt = Timestamp(milliseconds: 0)
        while let field = try reader.next() {
            switch field.number {
            case 1: dataFormat = try field.uint64()
            case 2:
                id = ClusterID(rawValue: try field.string())
                if id == nil { throw .invalidField(2) }
            case 3: secret = Array(try field.bytes().readableBytesView)
            case 4: isTest = try field.bool()
            case 5: createdAt = try field.timestamp()
            default: break
            }
        }
        guard secret.count >= ClusterRecord.secretLength else { throw .invalidField(3) }
        self.init(
            id: try id.required(2), tokenSecretBytes: secret, isTest: isTest, dataFormat: try dataFormat.required(1),
            createdAt: createdAt)
    }
}

extension ClusterRecord {
    /// Reads the record once; `nil` when there is none.
    public static func find(in coordinator: some Coordinator) async throws(ClusterFailure) -> ClusterRecord? {
        let entry: CoordinatorEntry?
        do { entry = try await coordinator.get(CoordinatorKey.cluster) } catch { throw .coordinator(error) }
        guard let entry else { return nil }
        let fence: CoordinatorEntry?
        do { fence = try await coordinator.get(CoordinatorKey.movedTo) } catch { throw .coordinator(error) }
        if let fence { throw .moved(to: String(buffer: fence.value)) }
        return try read(entry)
    }

    static func read(_ entry: CoordinatorEntry) throws(ClusterFailure) -> ClusterRecord {
        try checkFormat(entry.value)
        do { return try ClusterRecord(decoding: entry.value) } catch {
            throw .unreadable(key: CoordinatorKey.cluster, reason: "\(error)")
        }
    }

    /// A newer format may lack what this version asks for, so its number is looked at first, and alone.
    private static func checkFormat(_ value: ByteBuffer) throws(ClusterFailure) {
        var found: UInt64 = 0
        do throws(FieldError) {
            var reader = FieldReader(value)
            while let field = try reader.next() {
                if field.number == 1 { found = try field.uint64() }
            }
        } catch {
            throw .unreadable(key: CoordinatorKey.cluster, reason: "\(error)")
        }
        guard found <= supportedDataFormat else {
            throw .newerDataFormat(found: found, supported: supportedDataFormat)
        }
    }

    /// Reads the record, waiting for the coordinator and for the record to appear: how every node starts.
    ///
    /// - Throws: ``ClusterFailure/notInitialised`` or the last failure of the coordinator once `deadline` has passed;
    ///   a record that cannot be read at once.
    public static func load(
        from coordinator: some Coordinator, deadline: NIODeadline
    ) async throws(ClusterFailure) -> ClusterRecord {
        var backoff = Backoff(initial: .milliseconds(50), maximum: .seconds(1))
        while true {
            var last = ClusterFailure.notInitialised
            do {
                if let record = try await find(in: coordinator) { return record }
            } catch {
                guard case .coordinator(.unavailable) = error else { throw error }
                last = error
            }
            guard await backoff.pause(until: deadline) else { throw last }
        }
    }

    /// Reads the record, or creates it when there is none: how a router starts.
    ///
    /// - Parameters:
    ///   - isTest: `nil` takes the cluster as it is, and makes a new one that is not for tests.
    ///   - deadline: how long a coordinator that is out of reach, or to which a migration goes on, is waited for.
    public static func loadOrCreate(
        in coordinator: some Coordinator, isTest: Bool?, now: Timestamp, deadline: NIODeadline = .now()
    ) async throws(ClusterFailure) -> ClusterRecord {
        var backoff = Backoff(initial: .milliseconds(50), maximum: .seconds(1))
        while true {
            let last: ClusterFailure
            do throws(ClusterFailure) {
                if let record = try await findOrCreate(in: coordinator, isTest: isTest, now: now) { return record }
                last = .migration("a migration to this coordinator is not finished: run it again")
            } catch {
                guard case .coordinator(.unavailable) = error else { throw error }
                last = error
            }
            guard await backoff.pause(until: deadline) else { throw last }
        }
    }

    /// - Returns: `nil` while a cluster is being copied here.
    private static func findOrCreate(
        in coordinator: some Coordinator, isTest: Bool?, now: Timestamp
    ) async throws(ClusterFailure) -> ClusterRecord? {
        while true {
            if let record = try await find(in: coordinator) {
                if let isTest, isTest != record.isTest { throw .testFlagDiffers(clusterIsTest: record.isTest) }
                return record
            }
            let record = ClusterRecord.new(isTest: isTest ?? false, createdAt: now)
            let transaction = CoordinatorTransaction(
                conditions: [.absent(CoordinatorKey.cluster), .absent(CoordinatorKey.arriving)],
                operations: [.put(CoordinatorKey.cluster, record.encoded(), lease: nil)])
            do throws(CoordinatorFailure) {
                if try await coordinator.commit(transaction) != nil { return record }
                if try await coordinator.get(CoordinatorKey.arriving) != nil { return nil }
            } catch { throw .coordinator(error) }
        }
    }
}
