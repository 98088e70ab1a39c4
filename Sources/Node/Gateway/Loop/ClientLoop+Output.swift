import CLibUV
import Glibc
import NIOCore

extension ClientConnection {
    var stream: UnsafeMutablePointer<uv_stream_t> {
        UnsafeMutableRawPointer(tcp).assumingMemoryBound(to: uv_stream_t.self)
    }

    static func from(_ handle: UnsafeMutablePointer<uv_handle_t>?) -> ClientConnection? { from(handle?.pointee.data) }
    static func from(_ handle: UnsafeMutablePointer<uv_stream_t>?) -> ClientConnection? { from(handle?.pointee.data) }

    private static func from(_ data: UnsafeMutableRawPointer?) -> ClientConnection? {
        data.map { Unmanaged<ClientConnection>.fromOpaque($0).takeUnretainedValue() }
    }
}

/// Bytes that the kernel did not take at once; freed when libuv has written them.
private final class DeferredWrite {
    let request: UnsafeMutablePointer<uv_write_t> = .allocate(capacity: 1)
    let bytes: UnsafeMutablePointer<CChar>

    init(_ source: UnsafeRawPointer, count: Int) {
        bytes = .allocate(capacity: count)
        UnsafeMutableRawPointer(bytes).copyMemory(from: source, byteCount: count)
    }

    deinit {
        request.deallocate()
        bytes.deallocate()
    }
}

extension ClientLoop {
    /// Writes all that waits for a connection in one send, or the first `count` of it.
    func flush(_ connection: ClientConnection, upTo count: Int = .max) {
        if case .closed = connection.phase { return }
        connection.sealedCount = 0
        if count < connection.pending.count {
            // The rest came later, and is marked so.
            write(connection, count)
            if !connection.pending.isEmpty { connection.pending.removeFirst(count) }
            return
        }
        connection.isHeld = false
        if !connection.pending.isEmpty {
            write(connection, connection.pending.count)
            if connection.pending.capacity > 64 {
                connection.pending = []
            } else {
                connection.pending.removeAll(keepingCapacity: true)
            }
        }
        guard case .closing = connection.phase else { return }
        // With nothing in libuv's queue, our side can be shut now; else the sweep closes the socket in a while.
        if uv_stream_get_write_queue_size(connection.stream) == 0 { shutDown(connection) }
    }

    private func write(_ connection: ClientConnection, _ count: Int) {
        guard count > 0 else { return }
        scratch.removeAll()
        for item in connection.pending[..<count] {
            switch item {
            case .dispatch(let dispatch, let sequence):
                tally.deliveries += 1
                connection.encoding.write(dispatch, sequence: sequence, to: scratch, deflater: deflater)
            case .payload(let payload): connection.encoding.write(payload, to: scratch)
            case .raw(let bytes): scratch.append(bytes)
            }
        }
        tally.bytes += scratch.count
        tally.writes += 1
        let queued = uv_stream_get_write_queue_size(connection.stream)
        var sent = 0
        if queued == 0 {
            // Not by uv_try_write: it writes by way of the file system's layer, and `send` costs less.
            sent = Glibc.send(connection.descriptor, scratch.base, scratch.count, Int32(MSG_NOSIGNAL))
            if sent < 0 {
                guard errno == EAGAIN || errno == EINTR else { return destroy(connection) }
                sent = 0
            }
        }
        guard sent < scratch.count else { return }
        let rest = scratch.count - sent
        guard queued + rest <= context.settings.maximumOutputBytes else {
            // It does not read as fast as events come: it may resume, and never slows others.
            tally.slowReaders += 1
            return destroy(connection)
        }
        let deferred = DeferredWrite(scratch.base + sent, count: rest)
        deferred.request.pointee.data = Unmanaged.passRetained(deferred).toOpaque()
        var buffer = uv_buf_init(deferred.bytes, UInt32(rest))
        let result = uv_write(deferred.request, connection.stream, &buffer, 1) { request, status in
            guard let request, let data = request.pointee.data else { return }
            let connection = ClientConnection.from(request.pointee.handle)
            Unmanaged<DeferredWrite>.fromOpaque(data).release()
            if status < 0, status != UV_ECANCELED.rawValue, let connection { connection.loop.destroy(connection) }
            if status == 0, let connection, case .closing = connection.phase { connection.loop.markDirty(connection) }
        }
        if result != 0 {
            Unmanaged.passUnretained(deferred).release()
            destroy(connection)
        }
    }

    /// Ends our direction; the client's close is awaited for ``ClientConnection/closingTime`` by the sweep.
    private func shutDown(_ connection: ClientConnection) {
        var descriptor: uv_os_fd_t = -1
        let handle = UnsafeMutableRawPointer(connection.tcp).assumingMemoryBound(to: uv_handle_t.self)
        if uv_fileno(handle, &descriptor) == 0 { shutdown(descriptor, Int32(SHUT_WR)) }
    }
}
