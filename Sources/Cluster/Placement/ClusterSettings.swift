import Identity
import Wire

/// What operators ask of the whole cluster: kept in the coordinator under the key `settings`, and changed there only.
public struct ClusterSettings: Hashable, Sendable, FieldCodable {
    /// The usual time after which a guild node that is gone is replaced.
    public static let usualRepairDelay: Duration = .seconds(600)

    /// Copies of each slot; 0: by the number of guild nodes (see ``replication(guildNodes:)``).
    public var replicationFactor = 0
    /// The smallest in-sync set that commits; 0: by the number of guild nodes.
    public var minimum = 0
    /// How long a guild node may be gone before its copies are made anew elsewhere; zero: never by itself.
    public var repairDelay = ClusterSettings.usualRepairDelay

    public init() {}

    /// Copies and minimum for so many guild nodes: 1 and 1, 2 and 2, from three on 3 and 2 (DESIGN §6).
    public func replication(guildNodes: Int) -> (factor: Int, minimum: Int) {
        let nodes = max(1, guildNodes)
        let factor = min(nodes, replicationFactor > 0 ? replicationFactor : 3)
        return (factor, min(factor, minimum > 0 ? minimum : 2))
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, replicationFactor)
        writer.write(2, minimum)
        writer.write(3, Int(max(0, repairDelay.components.seconds)))
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        while let field = try reader.next() {
            switch field.number {
            case 1: replicationFactor = try field.int()
            case 2: minimum = try field.int()
            case 3: repairDelay = .seconds(min(try field.int(), 1 << 31))
            default: break
            }
        }
    }
}
