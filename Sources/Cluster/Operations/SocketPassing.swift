import Glibc
import NIOCore

/// Passes a client's socket from a router to a gateway process on the same machine (DESIGN §13).
///
/// The two speak over a Unix SOCK_SEQPACKET connection to the gateway's `NodeRecord.socketPath`: one packet a client,
/// with its descriptor as SCM_RIGHTS. Packets are never split or joined by the kernel, so there is no framing, and
/// nothing is answered: a gateway that cannot take a client closes its socket. All descriptors here are non-blocking,
/// so that both sides may stand in event loops. A packet: version (1 byte), length of the address (1 byte), the
/// address in ASCII, then the bytes that the router has read from the client, the HTTP upgrade request first.
public enum SocketPassing {
    /// The most bytes read from a client that travel with it: an upgrade request's head and what may follow it.
    public static let maximumReceivedBytes = 32 * 1024
    static let version: UInt8 = 1
    static let maximumPacketBytes = maximumReceivedBytes + 2 + 255

    /// What travels with a client's socket.
    public struct Handover: Hashable, Sendable {
        /// Who the client is, as `address:port`, for logs and limits; at most 255 bytes, ASCII.
        public var peerAddress: String
        /// What the router has read from the socket, from its first byte on.
        public var received: ByteBuffer

        public init(peerAddress: String, received: ByteBuffer) {
            self.peerAddress = peerAddress
            self.received = received
        }
    }

    public enum Failure: Error, Hashable, Sendable {
        /// The path is longer than a Unix socket's address holds (107 bytes).
        case pathTooLong
        /// More was read than ``maximumReceivedBytes``, or the address is too long.
        case tooLarge
        /// The other side takes no more now (its queue is full): pass the client elsewhere, or proxy it.
        case wouldBlock
        /// A packet that is not one of ours.
        case malformed
        /// The other side has closed.
        case closed
        /// A system call failed with this `errno`.
        case system(String, Int32)
    }

    /// Binds and listens at `path`, replacing a socket that an earlier process left there. Only this user may connect.
    ///
    /// - Returns: a non-blocking descriptor for ``accept(from:)``; the caller closes it and unlinks the path.
    public static func listen(path: String, backlog: Int32 = 64) throws(Failure) -> Int32 {
        let descriptor = try makeSocket()
        unlink(path)
        // The mode is set by the mask, so that the socket is at no moment open to others.
        let mask = umask(0o177)
        let result = try withAddress(path, descriptor) { bind(descriptor, $0, $1) }
        let bindError = errno
        umask(mask)
        guard result == 0 else {
            Glibc.close(descriptor)
            throw .system("bind", bindError)
        }
        guard Glibc.listen(descriptor, backlog) == 0 else {
            let error = errno
            Glibc.close(descriptor)
            throw .system("listen", error)
        }
        return descriptor
    }

    /// Connects to a gateway's socket; it does not wait: a full backlog is ``Failure/wouldBlock``.
    ///
    /// - Returns: a non-blocking descriptor, which the caller closes. It may be kept for many clients.
    public static func connect(path: String) throws(Failure) -> Int32 {
        let descriptor = try makeSocket()
        let result = try withAddress(path, descriptor) { Glibc.connect(descriptor, $0, $1) }
        guard result == 0 else {
            let error = errno
            Glibc.close(descriptor)
            throw error == EAGAIN ? .wouldBlock : .system("connect", error)
        }
        return descriptor
    }

    /// Accepts one router's connection; `nil` when none waits.
    public static func accept(from listener: Int32) throws(Failure) -> Int32? {
        // Swift's Glibc module has no accept4.
        let descriptor = Glibc.accept(listener, nil, nil)
        guard descriptor >= 0 else {
            if errno == EAGAIN || errno == EINTR || errno == ECONNABORTED { return nil }
            throw .system("accept", errno)
        }
        guard fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0, fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0 else {
            let error = errno
            Glibc.close(descriptor)
            throw .system("fcntl", error)
        }
        return descriptor
    }

    /// Sends a client. The descriptor is duplicated by the kernel: the caller closes its own afterwards, without
    /// `shutdown`, whether this succeeds or not.
    public static func send(_ descriptor: Int32, _ handover: Handover, over connection: Int32) throws(Failure) {
        let address = Array(handover.peerAddress.utf8)
        guard handover.received.readableBytes <= maximumReceivedBytes, address.count <= 255 else { throw .tooLarge }
        var packet: [UInt8] = [version, UInt8(address.count)]
        packet.reserveCapacity(2 + address.count + handover.received.readableBytes)
        packet += address
        packet += handover.received.readableBytesView
        var control = ControlMessage()
        control.set(descriptor: descriptor)
        let (result, error) = packet.withUnsafeMutableBytes { bytes in
            control.withMessage(over: bytes) { message in
                let sent = sendmsg(connection, message, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
                return (sent, errno)
            }
        }
        guard result < 0 else { return }
        switch error {
        case EAGAIN, ENOBUFS, ETOOMANYREFS: throw .wouldBlock
        case EPIPE, ECONNRESET, ENOTCONN: throw .closed
        default: throw .system("sendmsg", error)
        }
    }

    /// Receives the next client; `nil` when none waits.
    ///
    /// - Returns: the client's descriptor, which is the caller's to close, and what came with it.
    public static func receive(from connection: Int32) throws(Failure) -> (descriptor: Int32, handover: Handover)? {
        var control = ControlMessage()
        var flags: Int32 = 0
        var result = 0
        var error: Int32 = 0
        let packet = [UInt8](unsafeUninitializedCapacity: maximumPacketBytes) { bytes, count in
            control.withMessage(over: UnsafeMutableRawBufferPointer(bytes)) { message in
                result = recvmsg(connection, message, Int32(MSG_CMSG_CLOEXEC | MSG_DONTWAIT))
                error = errno
                flags = message.pointee.msg_flags
            }
            count = max(0, result)
        }
        if result < 0 {
            if error == EAGAIN || error == EINTR { return nil }
            throw error == ECONNRESET ? .closed : .system("recvmsg", error)
        }
        let descriptor = control.descriptor
        if result == 0, descriptor == nil { throw .closed }
        guard let descriptor else { throw .malformed }
        let truncated = Int32(MSG_TRUNC | MSG_CTRUNC)
        guard flags & truncated == 0, packet.count >= 2, packet[0] == version, packet.count >= 2 + Int(packet[1])
        else {
            Glibc.close(descriptor)
            throw .malformed
        }
        let end = 2 + Int(packet[1])
        let handover = Handover(
            peerAddress: String(decoding: packet[2..<end], as: UTF8.self),
            received: ByteBuffer(bytes: packet[end...]))
        return (descriptor, handover)
    }

    private static func makeSocket() throws(Failure) -> Int32 {
        let kind = SOCK_SEQPACKET.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue
        let descriptor = socket(AF_UNIX, Int32(kind), 0)
        guard descriptor >= 0 else { throw .system("socket", errno) }
        return descriptor
    }

    /// Calls `body` with the address of `path`; closes the descriptor when the path does not fit.
    private static func withAddress(
        _ path: String, _ descriptor: Int32, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws(Failure) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path), !bytes.isEmpty else {
            Glibc.close(descriptor)
            throw .pathTooLong
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}

/// The control message that holds one descriptor: what C's `CMSG_` macros lay out (cmsg(3)), which Swift does not
/// import.
private struct ControlMessage {
    /// `CMSG_SPACE(sizeof(int))`: a header of 16 bytes, the descriptor, padding to 8.
    private static let space = 24
    /// Aligned storage of ``space`` bytes.
    private var storage: (UInt64, UInt64, UInt64) = (0, 0, 0)

    mutating func set(descriptor: Int32) {
        withUnsafeMutableBytes(of: &storage) {
            // CMSG_LEN(sizeof(int)) = 20, SOL_SOCKET, SCM_RIGHTS.
            $0.storeBytes(of: 20, toByteOffset: 0, as: UInt64.self)
            $0.storeBytes(of: SOL_SOCKET, toByteOffset: 8, as: Int32.self)
            $0.storeBytes(of: 1, toByteOffset: 12, as: Int32.self)
            $0.storeBytes(of: descriptor, toByteOffset: 16, as: Int32.self)
        }
    }

    /// The descriptor that was received, if any: there is room for one only, so the kernel closes others.
    var descriptor: Int32? {
        withUnsafeBytes(of: storage) {
            guard $0.load(fromByteOffset: 0, as: UInt64.self) >= 20,
                $0.load(fromByteOffset: 8, as: Int32.self) == SOL_SOCKET,
                $0.load(fromByteOffset: 12, as: Int32.self) == 1
            else { return nil }
            return $0.load(fromByteOffset: 16, as: Int32.self)
        }
    }

    mutating func withMessage<Result>(
        over bytes: UnsafeMutableRawBufferPointer, _ body: (UnsafeMutablePointer<msghdr>) -> Result
    ) -> Result {
        withUnsafeMutableBytes(of: &storage) { control in
            var vector = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
            return withUnsafeMutablePointer(to: &vector) { vector in
                var message = msghdr()
                message.msg_iov = vector
                message.msg_iovlen = 1
                message.msg_control = control.baseAddress
                message.msg_controllen = ControlMessage.space
                return body(&message)
            }
        }
    }
}
