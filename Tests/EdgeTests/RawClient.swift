import Foundation
import Glibc

/// A client that says exactly what it is told, over a blocking socket with time-outs.
final class RawClient: @unchecked Sendable {
    // Used by one task at a time: each call is awaited before the next. The descriptor is immutable.
    struct Answer {
        var status: Int
        var headers: [String: String]
        var body: String
    }

    enum Failure: Error {
        case connect(Int32)
        case send(Int32)
        case timeout, closed
        case malformed(String)
    }

    private let descriptor: Int32
    private var buffered: [UInt8] = []

    init(port: Int, timeoutSeconds: Int = 120) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var timeout = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw Failure.connect(errno) }
    }

    deinit { close(descriptor) }

    func send(_ text: String) throws {
        let bytes = Array(text.utf8)
        var at = 0
        while at < bytes.count {
            let sent = bytes[at...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard sent > 0 else { throw Failure.send(errno) }
            at += sent
        }
    }

    /// What comes next, at most `count` bytes; empty at the end of the stream.
    func receive(_ count: Int = 65_536) async throws -> [UInt8] {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { [descriptor] in
                var bytes = [UInt8](repeating: 0, count: count)
                let received = recv(descriptor, &bytes, count, 0)
                if received >= 0 {
                    continuation.resume(returning: Array(bytes[..<received]))
                } else if errno == ECONNRESET {
                    continuation.resume(throwing: Failure.closed)
                } else {
                    continuation.resume(throwing: Failure.timeout)
                }
            }
        }
    }

    /// Reads one answer with a Content-Length, or none of 1xx and 204.
    func answer(toHead: Bool = false) async throws -> Answer {
        while true {
            if let answer = try parse(toHead: toHead) { return answer }
            let bytes = try await receive()
            guard !bytes.isEmpty else { throw Failure.closed }
            buffered += bytes
        }
    }

    /// Waits for the end of the stream.
    func end() async throws {
        while try await !receive().isEmpty {}
    }

    private func parse(toHead: Bool) throws -> Answer? {
        // Answers' heads are short: only the beginning is searched.
        guard let range = Data(buffered.prefix(16_384)).firstRange(of: Data("\r\n\r\n".utf8)) else { return nil }
        let lines = String(decoding: buffered[..<range.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        let words = lines[0].split(separator: " ")
        guard words.count >= 2, let status = Int(words[1]) else { throw Failure.malformed(lines[0]) }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let pair = line.split(separator: ":", maxSplits: 1)
            headers[pair[0].lowercased()] = String(pair[1]).trimmingCharacters(in: .whitespaces)
        }
        let length = toHead || status == 204 || status < 200 ? 0 : Int(headers["content-length"] ?? "0") ?? 0
        guard buffered.count >= range.upperBound + length else { return nil }
        let body = String(decoding: buffered[range.upperBound..<range.upperBound + length], as: UTF8.self)
        buffered.removeFirst(range.upperBound + length)
        return Answer(status: status, headers: headers, body: body)
    }

    /// One request on this connection.
    func request(
        _ method: String, _ target: String, token: String? = nil, body: String? = nil, headers: [String: String] = [:]
    ) async throws -> Answer {
        var text = "\(method) \(target) HTTP/1.1\r\nHost: chat.example:8080\r\n"
        if let token { text += "Authorization: \(token)\r\n" }
        for (name, value) in headers { text += "\(name): \(value)\r\n" }
        if let body { text += "Content-Length: \(body.utf8.count)\r\n\r\n\(body)" } else { text += "\r\n" }
        try send(text)
        return try await answer(toHead: method == "HEAD")
    }
}
