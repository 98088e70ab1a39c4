import Foundation

/// TCP ports on loopback that nobody listens at.
enum FreePorts {
    /// Distinct ports that the system assigns. They are free at the time of the call; what binds one soon after gets it.
    static func assigned(_ count: Int) throws -> [Int] {
        var descriptors: [Int32] = []
        defer { for descriptor in descriptors { close(descriptor) } }
        var ports: [Int] = []
        for _ in 0..<count {
            let (descriptor, port) = try bound(to: 0)
            descriptors.append(descriptor)
            ports.append(port)
        }
        return ports
    }

    static func isFree(_ port: Int) -> Bool {
        guard let (descriptor, _) = try? bound(to: UInt16(clamping: port)) else { return false }
        close(descriptor)
        return true
    }

    private static func bound(to port: UInt16) throws -> (descriptor: Int32, port: Int) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SystemFailure(call: "socket") }
        var isReusable: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &isReusable, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, length) == 0 && listen(descriptor, 1) == 0
                    && getsockname(descriptor, address, &length) == 0 ? 0 : errno
            }
        }
        guard code == 0 else {
            close(descriptor)
            throw SystemFailure(call: "bind port \(port)", code: code)
        }
        return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
    }
}
