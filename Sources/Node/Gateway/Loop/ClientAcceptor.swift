import CLibUV
import Glibc
import Logging
import NIOCore
import Operations

/// Takes new clients and gives them to the loops in turn: from the gateway's own listener, and from routers of this
/// machine over its Unix socket. Lives on one loop.
///
/// `@unchecked Sendable`: it is made and given to its loop before the loop's thread starts, and used on it only.
final class ClientAcceptor: @unchecked Sendable {
    private final class Watched {
        let poll: UnsafeMutablePointer<uv_poll_t> = .allocate(capacity: 1)
        let descriptor: Int32
        unowned let acceptor: ClientAcceptor
        let readable: (Watched) -> Void

        init(_ descriptor: Int32, _ acceptor: ClientAcceptor, readable: @escaping (Watched) -> Void) {
            self.descriptor = descriptor
            self.acceptor = acceptor
            self.readable = readable
        }

        deinit { poll.deallocate() }
    }

    /// Connections of routers at once; each router keeps one.
    static let maximumRouters = 256
    /// Clients taken in one turn before others are looked at.
    static let maximumBatch = 256

    private let clientListener: Int32
    private let socketListener: Int32
    private let socketPath: String
    private let loops: [any LoopPost]
    private let logger: Logger
    private var next = 0
    private var uv: UnsafeMutablePointer<uv_loop_t>?
    private var listeners: [Watched] = []
    private var routers: [Int32: Watched] = [:]
    private var isPaused = false

    init(clientListener: Int32, socketListener: Int32, socketPath: String, loops: [any LoopPost], logger: Logger) {
        self.clientListener = clientListener
        self.socketListener = socketListener
        self.socketPath = socketPath
        self.loops = loops
        self.logger = logger
    }

    func start(on uv: UnsafeMutablePointer<uv_loop_t>) {
        self.uv = uv
        let clients = Watched(clientListener, self) { [unowned self] _ in acceptClients() }
        let sockets = Watched(socketListener, self) { [unowned self] _ in acceptRouters() }
        listeners = [clients, sockets]
        for listener in listeners { watch(listener) }
    }

    private func watch(_ watched: Watched) {
        guard let uv else { return }
        guard uv_poll_init(uv, watched.poll, watched.descriptor) == 0 else { return }
        // Held until the close callback.
        watched.poll.pointee.data = Unmanaged.passRetained(watched).toOpaque()
        begin(watched)
    }

    private func begin(_ watched: Watched) {
        uv_poll_start(watched.poll, Int32(UV_READABLE.rawValue | UV_DISCONNECT.rawValue)) { handle, _, _ in
            guard let data = handle?.pointee.data else { return }
            let watched = Unmanaged<Watched>.fromOpaque(data).takeUnretainedValue()
            watched.readable(watched)
        }
    }

    /// Listens again after descriptors had run out.
    func resume() {
        guard isPaused else { return }
        isPaused = false
        for listener in listeners { begin(listener) }
    }

    func stop() {
        for watched in listeners + routers.values { unwatch(watched) }
        if !listeners.isEmpty { unlink(socketPath) }
        listeners = []
        routers = [:]
    }

    private func unwatch(_ watched: Watched) {
        uv_poll_stop(watched.poll)
        let handle = UnsafeMutableRawPointer(watched.poll).assumingMemoryBound(to: uv_handle_t.self)
        uv_close(handle) { handle in
            guard let data = handle?.pointee.data else { return }
            let watched = Unmanaged<Watched>.fromOpaque(data).takeRetainedValue()
            Glibc.close(watched.descriptor)
        }
    }

    private func give(_ descriptor: Int32, _ received: ByteBuffer, _ peer: String) {
        loops[next].post(.adopt(descriptor: descriptor, received: received, peer: peer))
        next = (next + 1) % loops.count
    }

    private func pause(_ reason: String) {
        // The listener stays readable: watched on, it would spin until descriptors come free.
        logger.error("cannot accept clients", metadata: ["reason": "\(reason)"])
        isPaused = true
        for listener in listeners { uv_poll_stop(listener.poll) }
    }

    private func acceptClients() {
        for _ in 0..<ClientAcceptor.maximumBatch {
            var address = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let descriptor = withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.accept(clientListener, $0, &length) }
            }
            if descriptor < 0 {
                switch errno {
                case EAGAIN: return
                case EINTR, ECONNABORTED: continue
                default: return pause("accept: errno \(errno)")
                }
            }
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            give(descriptor, ByteBuffer(), ListeningSocket.text(of: address))
        }
    }

    private func acceptRouters() {
        do throws(SocketPassing.Failure) {
            while let descriptor = try SocketPassing.accept(from: socketListener) {
                guard routers.count < ClientAcceptor.maximumRouters else {
                    Glibc.close(descriptor)
                    continue
                }
                let router = Watched(descriptor, self) { [unowned self] in receive(from: $0) }
                routers[descriptor] = router
                watch(router)
            }
        } catch {
            pause("\(error)")
        }
    }

    private func receive(from router: Watched) {
        do throws(SocketPassing.Failure) {
            for _ in 0..<ClientAcceptor.maximumBatch {
                guard let (descriptor, handover) = try SocketPassing.receive(from: router.descriptor) else { return }
                give(descriptor, handover.received, handover.peerAddress)
            }
        } catch {
            if error != .closed { logger.warning("router's socket connection failed", metadata: ["error": "\(error)"]) }
            routers[router.descriptor] = nil
            unwatch(router)
        }
    }
}
