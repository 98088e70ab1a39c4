import NIOCore
import Testing

@testable import Gateway

@Suite struct UpgradeRequestTests {
    private func head(
        _ line: String = "GET /gateway?v=10&encoding=json HTTP/1.1", host: String? = "localhost",
        upgrade: String? = "WebSocket", connection: String? = "keep-alive, Upgrade",
        key: String? = "dGhlIHNhbXBsZSBub25jZQ==", version: String? = "13"
    ) -> ByteBuffer {
        let fields: [(String, String?)] = [
            ("Host", host), ("UPGRADE", upgrade), ("Connection", connection), ("Sec-WebSocket-Key", key),
            ("Sec-WebSocket-Version", version),
        ]
        let lines = fields.compactMap { name, value in value.map { "\(name): \($0)" } }
        return ByteBuffer(string: ([line] + lines).joined(separator: "\r\n") + "\r\n\r\nrest")
    }

    @Test func aRequestInPiecesIsReadWhenItIsWhole() throws {
        let whole = head()
        for length in 0..<(whole.readableBytes - 4) {
            var part = whole.getSlice(at: 0, length: length)!
            #expect(try UpgradeRequest.read(&part) == nil)
            #expect(part.readableBytes == length)
        }
        var bytes = whole
        let request = try #require(try UpgradeRequest.read(&bytes))
        #expect(request.path == "/gateway")
        #expect(request.query == ["v": "10", "encoding": "json"])
        // RFC 6455 §1.3's example.
        #expect(request.accept == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        #expect(String(buffer: bytes) == "rest")
    }

    private func status(_ bytes: ByteBuffer) -> Int? {
        var bytes = bytes
        do throws(UpgradeRequest.Refusal) {
            _ = try UpgradeRequest.read(&bytes)
            return nil
        } catch {
            return error.status
        }
    }

    @Test func whatOpensNoWebSocketIsAnsweredInHTTP() {
        #expect(status(head("POST / HTTP/1.1")) == 405)
        #expect(status(head("GET / HTTP/1.0")) == 400)
        #expect(status(head("GET /")) == 400)
        #expect(status(head(host: nil)) == 400)
        #expect(status(head(upgrade: nil)) == 426)
        #expect(status(head(connection: "keep-alive")) == 426)
        #expect(status(head(key: "short")) == 400)
        #expect(status(head(key: nil)) == 400)
        #expect(status(head(version: "8")) == 426)
    }

    @Test func aHeadWithoutEndIsBounded() {
        let long = "GET / HTTP/1.1\r\nX: " + String(repeating: "a", count: UpgradeRequest.maximumHeadBytes)
        #expect(status(ByteBuffer(string: long)) == 431)
    }
}
