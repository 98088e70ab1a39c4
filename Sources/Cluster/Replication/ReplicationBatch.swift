import NIOCore
import Wire

/// What one turn of a node has to say to another: an item of a replication stream.
public struct ReplicationBatch: Hashable, Sendable, FieldCodable {
    public var messages: [ReplicationMessage]

    public init(_ messages: [ReplicationMessage]) { self.messages = messages }

    public func encode(into writer: inout FieldWriter) { for message in messages { writer.write(1, message) } }

    /// Entries stay slices of the buffer that is read.
    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        messages = []
        while let field = try reader.next() {
            guard field.number == 1 else { continue }
            messages.append(try field.message())
        }
    }
}

extension ReplicationMessage {
    /// About how many bytes it takes in a batch.
    public var size: Int {
        switch self {
        case .append(let append): append.entries.reduce(48) { $0 + $1.readableBytes + 8 }
        case .appendReply, .handOver, .admission: 48
        case .beacon(let beacon): 24 + 12 * beacon.claims.count
        case .beaconReply(let reply): 24 + 4 * reply.refused.count
        }
    }
}
