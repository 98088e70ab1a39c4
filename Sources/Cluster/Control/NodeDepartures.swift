import Identity
import Placement
import Wire

/// The guild nodes that operators want emptied or take to be gone for good: kept under the key `departures`, so that
/// it outlives restarts of the nodes.
public struct NodeDepartures: Hashable, Sendable, FieldCodable {
    /// Their slots go elsewhere while they serve on.
    public var draining: Set<NodeID> = []
    /// They will not come back: what they hold is made anew elsewhere at once.
    public var removed: Set<NodeID> = []

    public init() {}

    public func contains(_ node: NodeID) -> Bool { draining.contains(node) || removed.contains(node) }

    public func encode(into writer: inout FieldWriter) {
        for node in draining.sorted() { writer.write(1, node.rawValue) }
        for node in removed.sorted() { writer.write(2, node.rawValue) }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        while let field = try reader.next() {
            switch field.number {
            case 1: draining.insert(try field.nodeID())
            case 2: removed.insert(try field.nodeID())
            default: break
            }
        }
    }
}
