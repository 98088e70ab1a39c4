import Identity
import Wire

/// Who this process is to its peers, as the handshake says it.
public struct TransportIdentity: Sendable {
    public var node: NodeID
    /// The versions of the protocol that this process speaks: all that the build knows, unless it is to act as an older
    /// one.
    public var versions: ClosedRange<UInt64>
    /// `nil` while the process does not know its cluster yet; two ids that differ end a connection.
    public var cluster: @Sendable () -> ClusterID?
    /// The highest epoch of the shard map that this process has seen.
    public var mapEpoch: @Sendable () -> Epoch
    /// Called on an event loop with each peer's epoch; must not block.
    public var sawPeer: @Sendable (NodeID, Epoch) -> Void

    public init(
        node: NodeID, versions: ClosedRange<UInt64> = ProtocolVersion.all,
        cluster: @escaping @Sendable () -> ClusterID?,
        mapEpoch: @escaping @Sendable () -> Epoch = { .zero },
        sawPeer: @escaping @Sendable (NodeID, Epoch) -> Void = { _, _ in }
    ) {
        self.node = node
        self.versions = versions
        self.cluster = cluster
        self.mapEpoch = mapEpoch
        self.sawPeer = sawPeer
    }

    func hello(lane: Lane) -> Hello {
        Hello(
            versions: versions, node: node, cluster: cluster(), lane: UInt64(lane.rawValue), mapEpoch: mapEpoch())
    }
}

/// The services of a process, by method.
struct TransportServices: Sendable {
    var handlers: [CallMethod: any CallHandler] = [:]
    var acceptors: [CallMethod: any StreamAcceptor] = [:]
}
