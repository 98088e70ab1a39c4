import Identity
import NIOCore

/// The first frame in each direction (PROTOCOL.md "Handshake").
public struct Hello: Hashable, Sendable, FieldCodable {
    /// The versions of the protocol that the sender speaks.
    public var versions: ClosedRange<UInt64>
    public var node: NodeID
    /// Absent while the process does not know it yet.
    public var cluster: ClusterID?
    /// `Lane.rawValue`; the accepting side repeats it.
    public var lane: UInt64
    /// The highest epoch of the shard map that the sender has seen.
    public var mapEpoch: Epoch

    public init(
        versions: ClosedRange<UInt64>, node: NodeID, cluster: ClusterID?, lane: UInt64, mapEpoch: Epoch = .zero
    ) {
        self.versions = versions
        self.node = node
        self.cluster = cluster
        self.lane = lane
        self.mapEpoch = mapEpoch
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, versions.lowerBound)
        writer.write(2, versions.upperBound)
        writer.write(3, node.rawValue)
        writer.write(4, ifPresent: cluster?.rawValue)
        writer.write(5, lane)
        writer.write(6, mapEpoch)
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var lowest: UInt64?
        var highest: UInt64?
        var node: NodeID?
        var cluster: ClusterID?
        var lane: UInt64?
        var mapEpoch = Epoch.zero
        while let field = try reader.next() {
            switch field.number {
            case 1: lowest = try field.uint64()
            case 2: highest = try field.uint64()
            case 3:
                node = NodeID(rawValue: try field.string())
                if node == nil { throw .invalidField(3) }
            case 4:
                cluster = ClusterID(rawValue: try field.string())
                if cluster == nil { throw .invalidField(4) }
            case 5: lane = try field.uint64()
            case 6: mapEpoch = try field.epoch()
            default: break
            }
        }
        let first = try lowest.required(1)
        let last = try highest.required(2)
        guard first <= last else { throw .invalidField(2) }
        self.init(
            versions: first...last, node: try node.required(3), cluster: cluster, lane: try lane.required(5),
            mapEpoch: mapEpoch)
    }
}

/// Why a connection is not wanted.
public struct Refusal: Error, Hashable, Sendable, FieldCodable {
    public enum Code: UInt64, Sendable {
        case unknown = 0
        /// No version of the protocol is spoken by both.
        case version = 1
        /// The peer belongs to another cluster.
        case foreignCluster = 2
        /// The peer is not who was dialled, or its certificate does not name it.
        case wrongNode = 3
        case malformed = 4
        case unknownLane = 5
    }

    public var code: Code
    public var reason: String

    public init(_ code: Code, _ reason: String) {
        self.code = code
        self.reason = reason
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, code.rawValue)
        writer.write(2, reason)
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        self.init(.unknown, "")
        while let field = try reader.next() {
            switch field.number {
            case 1: code = Code(rawValue: try field.uint64()) ?? .unknown
            case 2: reason = try field.string()
            default: break
            }
        }
    }
}

/// What a request and the opening of a stream say beside their body.
public struct RequestHead: Hashable, Sendable, FieldCodable {
    /// The most entries of trace context that are written or read; more are dropped.
    public static let maximumTraceEntries = 8
    /// The most bytes of one entry's name and value together; longer ones are dropped.
    public static let maximumTraceEntryBytes = 1024

    /// `CallMethod.rawValue`.
    public var method: UInt16
    /// How long the caller still waits; relative, so that clocks need not agree. 0 for a stream.
    public var remainingMilliseconds: UInt64
    /// How many items the opener of a stream takes. 0 for a call.
    public var credit: UInt64
    /// Trace context as the instrument wrote it, such as `traceparent`.
    public var trace: [String: String]

    public init(
        method: UInt16, remainingMilliseconds: UInt64 = 0, credit: UInt64 = 0, trace: [String: String] = [:]
    ) {
        self.method = method
        self.remainingMilliseconds = remainingMilliseconds
        self.credit = credit
        self.trace = trace
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, UInt64(method))
        if remainingMilliseconds != 0 { writer.write(2, remainingMilliseconds) }
        if credit != 0 { writer.write(3, credit) }
        guard !trace.isEmpty else { return }
        for (name, value) in trace.sorted(by: { $0.key < $1.key }).prefix(RequestHead.maximumTraceEntries)
        where name.utf8.count + value.utf8.count <= RequestHead.maximumTraceEntryBytes {
            writer.write(4) {
                $0.write(1, name)
                $0.write(2, value)
            }
        }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var method: UInt16?
        self.init(method: 0)
        while let field = try reader.next() {
            switch field.number {
            case 1:
                method = UInt16(exactly: try field.uint64())
                if method == nil { throw .invalidField(1) }
            case 2: remainingMilliseconds = try field.uint64()
            case 3: credit = try field.uint64()
            case 4: try readTraceEntry(field.message())
            default: break
            }
        }
        self.method = try method.required(1)
    }

    private mutating func readTraceEntry(_ reader: FieldReader) throws(FieldError) {
        var reader = reader
        var name = ""
        var value = ""
        while let field = try reader.next() {
            switch field.number {
            case 1: name = try field.string()
            case 2: value = try field.string()
            default: break
            }
        }
        guard trace.count < RequestHead.maximumTraceEntries, !name.isEmpty,
            name.utf8.count + value.utf8.count <= RequestHead.maximumTraceEntryBytes
        else { return }
        trace[name] = value
    }
}

/// Why a call or the opening of a stream failed.
public struct Failure: Hashable, Sendable, FieldCodable {
    /// The most bytes of a reason that are sent.
    public static let maximumReasonBytes = 1024

    public enum Code: UInt64, Sendable {
        case unknownMethod = 1
        case refused = 2
        case overloaded = 3
        case deadlineExceeded = 4
        case cancelled = 5
        /// Not executed: the node drains, or could not reach what it needs.
        case unreachable = 6
    }

    public var code: Code
    public var reason: String

    public init(_ code: Code, _ reason: String = "") {
        self.code = code
        self.reason = reason
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, code.rawValue)
        if !reason.isEmpty { writer.write(2, reason.cut(to: Failure.maximumReasonBytes)) }
    }

    /// A code of a later version reads as ``Code/refused``.
    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        self.init(.refused)
        while let field = try reader.next() {
            switch field.number {
            case 1: code = Code(rawValue: try field.uint64()) ?? .refused
            case 2: reason = try field.string()
            default: break
            }
        }
    }
}

/// A number of items that the receiver of this may send.
public struct Credit: Hashable, Sendable, FieldCodable {
    public var items: UInt64

    public init(items: UInt64) { self.items = items }

    public func encode(into writer: inout FieldWriter) { writer.write(1, items) }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        self.init(items: 0)
        while let field = try reader.next() {
            if field.number == 1 { items = try field.uint64() }
        }
    }
}

/// The end of a stream, or of taking new calls on a connection.
public struct Farewell: Hashable, Sendable, FieldCodable {
    public var reason: String
    /// For a connection: the last stream id whose call or stream was begun.
    public var lastStreamID: UInt64

    public init(reason: String, lastStreamID: UInt64 = 0) {
        self.reason = reason
        self.lastStreamID = lastStreamID
    }

    public func encode(into writer: inout FieldWriter) {
        if lastStreamID != 0 { writer.write(1, lastStreamID) }
        writer.write(2, reason.cut(to: Failure.maximumReasonBytes))
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        self.init(reason: "")
        while let field = try reader.next() {
            switch field.number {
            case 1: lastStreamID = try field.uint64()
            case 2: reason = try field.string()
            default: break
            }
        }
    }
}

extension String {
    /// The longest prefix of whole characters within `count` bytes.
    fileprivate func cut(to count: Int) -> String {
        guard utf8.count > count else { return self }
        var end = utf8.index(utf8.startIndex, offsetBy: count)
        while end > startIndex, String.Index(end, within: self) == nil { end = utf8.index(before: end) }
        return String(self[..<end])
    }
}
