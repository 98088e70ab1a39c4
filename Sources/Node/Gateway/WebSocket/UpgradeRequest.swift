import Crypto
import Foundation
import NIOCore

/// The HTTP request that opens a WebSocket (RFC 6455 §4.2), read without I/O and with bounds.
public struct UpgradeRequest: Hashable, Sendable {
    /// The most bytes of a request's head.
    public static let maximumHeadBytes = 16 * 1024

    /// The path without its query.
    public var path: String
    /// Query parameters; the last of a name counts.
    public var query: [String: String]
    /// The answer's `Sec-WebSocket-Accept`.
    public var accept: String
    /// The address that the client knows the gateway by, a router's or a proxy's if it came through one.
    public var host: String
    /// A proxy before us says that the client's side of it is TLS.
    public var isForwardedSecure: Bool

    /// A request that opens no WebSocket; answered in HTTP, then closed.
    public struct Refusal: Error, Hashable, Sendable {
        public var status: Int
        public var reason: String
        public var message: String

        /// The whole answer.
        public var response: ByteBuffer {
            let body = "{\"code\": 0, \"message\": \"\(message)\"}"
            // RFC 6455 §4.4: an answer to a foreign version names ours.
            let version = status == 426 ? "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n" : ""
            return ByteBuffer(
                string: "HTTP/1.1 \(status) \(reason)\r\nContent-Type: application/json\r\n\(version)"
                    + "Content-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)")
        }
    }

    /// Reads a request's head from the front of `bytes` and consumes it; `nil`, and nothing consumed, when it is not
    /// whole yet.
    public static func read(_ bytes: inout ByteBuffer) throws(Refusal) -> UpgradeRequest? {
        let view = bytes.readableBytesView
        let limit = min(view.count, maximumHeadBytes)
        let end = view.prefix(limit).withUnsafeBytes { pointer -> Int? in
            guard pointer.count >= 4 else { return nil }
            for index in 0...(pointer.count - 4)
            where pointer[index] == 13 && pointer[index + 1] == 10 && pointer[index + 2] == 13
                && pointer[index + 3] == 10
            {
                return index
            }
            return nil
        }
        guard let end else {
            if view.count >= maximumHeadBytes {
                throw Refusal(status: 431, reason: "Request Header Fields Too Large", message: "The head is too long.")
            }
            return nil
        }
        guard let head = bytes.getString(at: bytes.readerIndex, length: end) else { return nil }
        bytes.moveReaderIndex(forwardBy: end + 4)
        return try UpgradeRequest(head: head)
    }

    private init(head: String) throws(Refusal) {
        var lines = head.split(separator: "\r\n", omittingEmptySubsequences: false)[...]
        let requestLine = lines.popFirst()?.split(separator: " ", omittingEmptySubsequences: false) ?? []
        guard requestLine.count == 3, requestLine[2] == "HTTP/1.1" || requestLine[2] == "HTTP/1.0" else {
            throw .bad("The request line is malformed.")
        }
        guard requestLine[0] == "GET" else {
            throw Refusal(status: 405, reason: "Method Not Allowed", message: "The gateway answers GET only.")
        }
        guard requestLine[2] == "HTTP/1.1" else { throw .bad("A WebSocket needs HTTP/1.1.") }
        var fields: [String: String] = [:]
        for line in lines {
            guard let colon = line.firstIndex(of: ":"), colon != line.startIndex, line.first != " ", line.first != "\t"
            else { throw .bad("A header field is malformed.") }
            let name = line[..<colon].lowercased()
            let value = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            // Repeated fields are one list (RFC 9110 §5.3).
            fields[name] = fields[name].map { $0 + "," + value } ?? value
        }
        guard let host = fields["host"], !host.isEmpty, !host.contains(",") else { throw .bad("Host is missing.") }
        guard UpgradeRequest.hasToken("websocket", in: fields["upgrade"]),
            UpgradeRequest.hasToken("upgrade", in: fields["connection"])
        else {
            throw Refusal(status: 426, reason: "Upgrade Required", message: "This is a WebSocket endpoint.")
        }
        guard fields["sec-websocket-version"] == "13" else {
            throw Refusal(status: 426, reason: "Upgrade Required", message: "Sec-WebSocket-Version must be 13.")
        }
        guard let key = fields["sec-websocket-key"], Data(base64Encoded: key)?.count == 16 else {
            throw .bad("Sec-WebSocket-Key must be 16 bytes in base64.")
        }
        let target = requestLine[1].split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = String(target[0])
        query = target.count > 1 ? UpgradeRequest.parse(query: target[1]) : [:]
        self.host = host
        isForwardedSecure = ["https", "wss"].contains(fields["x-forwarded-proto"]?.lowercased())
        // RFC 6455 §1.3: SHA-1 of the key and this GUID.
        let digest = Insecure.SHA1.hash(data: Data((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8))
        accept = Data(digest).base64EncodedString()
    }

    /// The answer that opens the WebSocket.
    public var response: ByteBuffer {
        ByteBuffer(
            string: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + "Sec-WebSocket-Accept: \(accept)\r\n\r\n")
    }

    private static func hasToken(_ token: String, in list: String?) -> Bool {
        guard let list else { return false }
        return list.split(separator: ",").contains {
            $0.trimmingCharacters(in: .whitespaces).lowercased() == token
        }
    }

    private static func parse(query: some StringProtocol) -> [String: String] {
        var parameters: [String: String] = [:]
        for pair in query.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0])
            let value = parts.count > 1 ? String(parts[1]) : ""
            parameters[name.removingPercentEncoding ?? name] = value.removingPercentEncoding ?? value
        }
        return parameters
    }
}

extension UpgradeRequest.Refusal {
    fileprivate static func bad(_ message: String) -> UpgradeRequest.Refusal {
        UpgradeRequest.Refusal(status: 400, reason: "Bad Request", message: message)
    }
}
