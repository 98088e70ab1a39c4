import Identity
import NIOCore
import Testing

@testable import Edge

@Suite("Queries and forms")
struct QueryAndFormTests {
    @Test("a query's parameters keep their order and may repeat")
    func query() throws {
        let parsed = try #require(QueryString.parse("a=1&b=x%20y+z&a=2&flag"))
        #expect(parsed.map(\.name) == ["a", "b", "a", "flag"])
        #expect(parsed.map(\.value) == ["1", "x y z", "2", ""])
    }

    @Test("broken escapes and too many parameters are refused")
    func badQueries() {
        #expect(QueryString.parse("a=%") == nil)
        #expect(QueryString.parse("a=%f") == nil)
        #expect(QueryString.parse("a=%ff") == nil)
        let many = Array(repeating: "a=1", count: QueryString.maximumParameters + 1).joined(separator: "&")
        #expect(QueryString.parse(many[...]) == nil)
        #expect(QueryString.parse(many.dropLast(4))?.count == QueryString.maximumParameters)
    }

    private func payload(_ body: String, type: String = "multipart/form-data; boundary=b") throws(EdgeError) -> String {
        String(buffer: try MultipartForm.payload(ByteBuffer(string: body), contentType: type))
    }

    @Test("payload_json is taken out of a form")
    func multipart() throws {
        let form =
            "--b\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\nx\r\n"
            + "--b\r\nContent-Disposition: form-data; name=\"payload_json\"\r\nContent-Type: application/json\r\n\r\n"
            + "{\"content\": \"--b\"}\r\n--b--\r\n"
        #expect(try payload(form) == "{\"content\": \"--b\"}")
        #expect(try payload(form, type: "multipart/form-data; boundary=\"b\"") == "{\"content\": \"--b\"}")
    }

    @Test("a file is refused in Discord's words")
    func file() {
        let form =
            "--b\r\nContent-Disposition: form-data; name=\"payload_json\"\r\n\r\n{}\r\n"
            + "--b\r\nContent-Disposition: form-data; name=\"files[0]\"; filename=\"a.png\"\r\n\r\nx\r\n--b--\r\n"
        #expect(throws: EdgeError.filesNotAccepted) { try payload(form) }
    }

    @Test(
        "what is no form is refused",
        arguments: [
            "", "--b", "--b--", "--b\r\n", "--b\r\nContent-Disposition: form-data; name=\"payload_json\"\r\n\r\n{}",
            "--b\r\nX: y\r\n\r\n{}\r\n--b--",
        ])
    func malformed(_ form: String) {
        #expect(throws: EdgeError.self) { try payload(form) }
    }

    @Test("a form of too many parts, or without a boundary, is refused")
    func bounds() {
        let part = "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\ny\r\n"
        #expect(throws: EdgeError.self) { try payload(String(repeating: part, count: 40) + "--b--") }
        #expect(throws: EdgeError.self) { try payload("--b--", type: "multipart/form-data") }
        let long = String(repeating: "b", count: 71)
        #expect(throws: EdgeError.self) { try payload("--\(long)--", type: "multipart/form-data; boundary=\(long)") }
    }

    @Test("a page of guilds is after, before, or both, in ascending order")
    func guildPages() throws {
        let ids = [5, 1, 3, 2, 4].map { GuildID(rawValue: $0) }
        func select(_ query: [(name: String, value: String)]) throws -> [UInt64] {
            try GuildPage(query: query).select(ids).map(\.rawValue)
        }
        #expect(try select([]) == [1, 2, 3, 4, 5])
        #expect(try select([("limit", "2")]) == [1, 2])
        #expect(try select([("after", "2"), ("limit", "2")]) == [3, 4])
        #expect(try select([("before", "4"), ("limit", "2")]) == [2, 3])
        #expect(try select([("before", "5"), ("after", "1"), ("limit", "2")]) == [2, 3])
        #expect(throws: EdgeError.self) { try GuildPage(query: [("limit", "0")]) }
        #expect(throws: EdgeError.self) { try GuildPage(query: [("limit", "201")]) }
        #expect(throws: EdgeError.self) { try GuildPage(query: [("before", "x")]) }
    }
}
