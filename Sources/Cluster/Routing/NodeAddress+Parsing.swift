import Identity
import Transport

extension NodeAddress {
    /// The router that a settings file means when it names none.
    public static let defaultCoordinatorNode = "router-1"

    /// Parses a coordinator's address: `host:port`, or `node@host:port` when the router has another name than
    /// ``defaultCoordinatorNode``. IPv6 hosts stand in brackets.
    ///
    /// The name matters: the transport refuses a peer that is another node than the one that was called.
    public init?(coordinator text: String) {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard let name = parts.count == 2 ? parts.first.map(String.init) : NodeAddress.defaultCoordinatorNode,
            let node = NodeID(rawValue: name), parts.count <= 2, let place = parts.last,
            let colon = place.lastIndex(of: ":"), let port = Int(place[place.index(after: colon)...]),
            (1...65_535).contains(port)
        else { return nil }
        var host = place[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else {
            guard !host.contains(":") else { return nil }
        }
        guard !host.isEmpty else { return nil }
        self.init(node: node, host: String(host), port: port)
    }
}
