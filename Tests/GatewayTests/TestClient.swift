import CZlib
import Foundation
import Identity
import NIOCore
import Testing

@testable import Gateway

/// A blocking WebSocket client on a thread of its own, which reads the gateway's payloads as a bot library does.
final class TestClient: @unchecked Sendable {
    // `@unchecked Sendable`: everything is touched on `queue` only.
    struct Closed: Error, Hashable {
        var code: UInt16?
    }
    struct TimedOut: Error {}

    private let queue = DispatchQueue(label: "client")
    private let descriptor: Int32
    private var buffer = ByteBuffer()
    private var inflater: Inflater?
    private let isPerPayload: Bool

    /// Connects and upgrades.
    init(
        port: Int, query: String = "?v=10&encoding=json", isPerPayload: Bool = false, receiveBuffer: Int32? = nil
    ) async throws {
        self.isPerPayload = isPerPayload
        if query.contains("zlib-stream") { inflater = Inflater() }
        descriptor = TestClient.connect(port, receiveBuffer: receiveBuffer)
        try await onQueue {
            self.write(
                Array(
                    ("GET /gateway\(query) HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n").utf8))
            while !String(buffer: self.buffer).contains("\r\n\r\n") { try self.fill() }
            let text = String(buffer: self.buffer)
            #expect(text.hasPrefix("HTTP/1.1 101"))
            #expect(text.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
            let head = text.components(separatedBy: "\r\n\r\n")[0].utf8.count + 4
            self.buffer.moveReaderIndex(forwardBy: head)
        }
    }

    /// Takes over a socket that is connected and not upgraded.
    ///
    /// - Parameter receiveBuffer: bytes of the kernel's, which it grows by itself otherwise.
    static func connect(_ port: Int, receiveBuffer: Int32? = nil) -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        if var size = receiveBuffer {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        precondition(result == 0, "the gateway listens")
        var timeout = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        return descriptor
    }

    deinit { Glibc.close(descriptor) }

    private func onQueue<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result { try body() }) }
        }
    }

    private func write(_ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return }
            sent += count
        }
    }

    private func fill() throws {
        var bytes = [UInt8](repeating: 0, count: 65536)
        let count = read(descriptor, &bytes, bytes.count)
        if count == 0 { throw Closed(code: nil) }
        if count < 0 { throw errno == EAGAIN ? TimedOut() as any Error : Closed(code: nil) }
        buffer.writeBytes(bytes[0..<count])
    }

    func send(_ json: String) async throws {
        let frame = ClientFrame(opcode: 1, payload: Array(json.utf8)).bytes
        try await onQueue { self.write(frame) }
    }

    func close(_ code: UInt16) async throws {
        let frame = ClientFrame.close(code).bytes
        try await onQueue { self.write(frame) }
    }

    /// Cuts the connection without a word.
    func cut() async throws { try await onQueue { _ = shutdown(self.descriptor, Int32(SHUT_RDWR)) } }

    /// The next payload, decoded. Throws ``Closed`` at the end.
    func next() async throws -> Payload {
        try await onQueue {
            while true {
                if let (opcode, bytes) = self.frame() {
                    switch opcode {
                    case 8:
                        var bytes = ByteBuffer(bytes: bytes)
                        throw Closed(code: bytes.readInteger())
                    case 1: return try Payload(bytes)
                    case 2:
                        if self.isPerPayload { return try Payload(Inflater().inflate(bytes)) }
                        let inflater = try #require(self.inflater)
                        return try Payload(inflater.inflate(bytes))
                    default: continue
                    }
                }
                try self.fill()
            }
        }
    }

    private func frame() -> (UInt8, [UInt8])? {
        var copy = buffer
        guard let first: UInt8 = copy.readInteger(), let second: UInt8 = copy.readInteger() else { return nil }
        var length = Int(second)
        if second == 126 {
            guard let value: UInt16 = copy.readInteger() else { return nil }
            length = Int(value)
        } else if second == 127 {
            guard let value: UInt64 = copy.readInteger() else { return nil }
            length = Int(value)
        }
        guard let bytes = copy.readBytes(length: length) else { return nil }
        buffer = copy
        buffer.discardReadBytes()
        return (first & 15, bytes)
    }

    /// The next dispatch of this type; others before it are skipped.
    func next(_ type: String) async throws -> Payload {
        while true {
            let payload = try await next()
            if payload.type == type { return payload }
        }
    }
}

/// A payload as a client sees it.
struct Payload: @unchecked Sendable {
    // `@unchecked Sendable`: JSON values, never changed.
    let json: [String: Any]

    init(_ bytes: [UInt8]) throws {
        json = try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
    }

    var op: Int? { json["op"] as? Int }
    var type: String? { json["t"] as? String }
    var sequence: Int? { json["s"] as? Int }
    var data: [String: Any] { json["d"] as? [String: Any] ?? [:] }
}

/// zlib's own inflate over a whole stream: the judge of what the gateway writes.
final class Inflater {
    private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)

    init() {
        stream.initialize(to: z_stream())
        inflateInit_(stream, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    func inflate(_ bytes: [UInt8]) throws -> [UInt8] {
        var input = bytes
        var output: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        try input.withUnsafeMutableBufferPointer { source in
            stream.pointee.next_in = source.baseAddress
            stream.pointee.avail_in = UInt32(source.count)
            repeat {
                let room = piece.count
                let result = piece.withUnsafeMutableBufferPointer { target in
                    stream.pointee.next_out = target.baseAddress
                    stream.pointee.avail_out = UInt32(room)
                    return CZlib.inflate(stream, Z_SYNC_FLUSH)
                }
                try #require(result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR)
                output += piece[0..<(room - Int(stream.pointee.avail_out))]
            } while stream.pointee.avail_out == 0
        }
        return output
    }
}
