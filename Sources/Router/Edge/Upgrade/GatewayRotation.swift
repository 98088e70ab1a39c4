import Glibc
import NIOCore
import Operations
import Placement
import Routing

/// Which gateway takes the next client, and the kept connections to the gateways of this machine.
///
/// Round robin over the gateways that are registered and do not drain, in the order of their names: sessions last long
/// and are many, so taking turns is as good as counting, and needs no news from the gateways.
struct GatewayRotation: ~Copyable {
    private var next = Int.random(in: 0..<1024)
    /// Unix sockets by path; one for each gateway of this machine.
    private var connections: [String: Int32] = [:]

    deinit { for descriptor in connections.values { close(descriptor) } }

    /// The gateways, the one whose turn it is first.
    mutating func turn(_ nodes: [NodeRecord]) -> [NodeRecord] {
        let gateways = nodes.filter { $0.roles.contains(.gateway) && !$0.isDraining }
        guard !gateways.isEmpty else { return [] }
        next = (next + 1) % gateways.count
        return Array(gateways[next...] + gateways[..<next])
    }

    /// Gives a client's socket to the gateway that listens at `path`.
    ///
    /// - Throws: when that gateway does not take it; a kept connection that has closed is opened again first.
    mutating func pass(
        _ descriptor: Int32, _ handover: SocketPassing.Handover, to path: String
    ) throws(SocketPassing.Failure) {
        if let kept = connections[path] {
            do throws(SocketPassing.Failure) {
                return try SocketPassing.send(descriptor, handover, over: kept)
            } catch {
                // A full queue or a packet that is too large says nothing about the connection.
                if error == .wouldBlock || error == .tooLarge { throw error }
                connections[path] = nil
                close(kept)
            }
        }
        let opened = try SocketPassing.connect(path: path)
        connections[path] = opened
        try SocketPassing.send(descriptor, handover, over: opened)
    }
}
