import NIOCore

/// Where one member of etcd takes clients: `http://host:port` or `https://host:port`.
public struct EtcdEndpoint: Hashable, Sendable, CustomStringConvertible {
    public var isEncrypted: Bool
    public var host: String
    public var port: Int

    public init(isEncrypted: Bool, host: String, port: Int) {
        self.isEncrypted = isEncrypted
        self.host = host
        self.port = port
    }

    /// Reads a URL without a path; `nil` when it is anything else. An IPv6 address stands in brackets.
    public init?(_ text: String) {
        var rest = text[...]
        if rest.hasPrefix("https://") {
            isEncrypted = true
        } else if rest.hasPrefix("http://") {
            isEncrypted = false
        } else {
            return nil
        }
        rest = rest.dropFirst(isEncrypted ? 8 : 7)
        if rest.hasSuffix("/") { rest.removeLast() }
        guard let colon = rest.lastIndex(of: ":"), let port = Int(rest[rest.index(after: colon)...]),
            (1...65_535).contains(port)
        else { return nil }
        var host = rest[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        guard !host.isEmpty, !host.utf8.contains(where: { "/@?# ".utf8.contains($0) }) else { return nil }
        self.host = String(host)
        self.port = port
    }

    public var description: String {
        "\(isEncrypted ? "https" : "http")://\(host.contains(":") ? "[\(host)]" : host):\(port)"
    }
}
