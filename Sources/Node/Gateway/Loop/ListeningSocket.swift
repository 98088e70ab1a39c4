import Glibc

/// A TCP listener for clients, bound before its loop runs.
struct ListeningSocket {
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    let descriptor: Int32
    /// The port that was bound.
    let port: Int

    /// - Parameter port: 0 for one that the system picks.
    init(host: String, port: Int) throws(Failure) {
        var hints = addrinfo()
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let result = getaddrinfo(host, String(port), &hints, &list)
        guard result == 0, let address = list?.pointee else {
            throw Failure(description: "gateway.host \(host): \(String(cString: gai_strerror(result)))")
        }
        defer { freeaddrinfo(list) }
        let kind = SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue
        let descriptor = socket(address.ai_family, Int32(kind), 0)
        guard descriptor >= 0 else { throw Failure(description: "socket: errno \(errno)") }
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        guard bind(descriptor, address.ai_addr, address.ai_addrlen) == 0, listen(descriptor, 4096) == 0 else {
            let error = String(cString: strerror(errno))
            close(descriptor)
            throw Failure(description: "gateway \(host):\(port): \(error)")
        }
        var bound = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        _ = withUnsafeMutablePointer(to: &bound) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        self.descriptor = descriptor
        self.port = ListeningSocket.port(of: bound)
    }

    private static func port(of address: sockaddr_storage) -> Int {
        withUnsafeBytes(of: address) { bytes in
            // IPv4 and IPv6 addresses both begin with family and port.
            Int(UInt16(bigEndian: bytes.load(fromByteOffset: 2, as: UInt16.self)))
        }
    }

    /// `address:port`, for logs.
    static func text(of address: sockaddr_storage) -> String {
        var address = address
        var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let size =
            address.ss_family == sa_family_t(AF_INET6)
            ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getnameinfo($0, socklen_t(size), &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
            }
        }
        guard result == 0 else { return "unknown" }
        let end = text.firstIndex(of: 0) ?? text.endIndex
        let host = String(decoding: text[..<end].map(UInt8.init(bitPattern:)), as: UTF8.self)
        return (host.contains(":") ? "[\(host)]" : host) + ":\(port(of: address))"
    }
}
