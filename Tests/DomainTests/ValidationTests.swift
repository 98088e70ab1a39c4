import Domain
import NIOCore
import Testing
import Wire

@Suite("Validation and its errors")
struct ValidationTests {
    @Test("All faults are reported at once, in order")
    func collects() {
        var validation = Validation()
        validation.length("", in: 1...100, at: "name")
        validation.number(-1, in: 0...10, at: "position")
        validation.number(11, in: 0...10, at: "limit")
        validation.choice(9, of: [0, 4], at: "type")
        validation.length("abc", in: 0...2, at: "topic")
        validation.require(nil as String?, at: "id")
        validation.length(nil, in: 1...2, at: "absent")
        #expect(
            validation.faults.map(\.code) == [
                "BASE_TYPE_BAD_LENGTH", "NUMBER_TYPE_MIN", "NUMBER_TYPE_MAX", "BASE_TYPE_CHOICES",
                "BASE_TYPE_MAX_LENGTH", "BASE_TYPE_REQUIRED",
            ])
        #expect(throws: APIError.self) { try validation.finish() }
    }

    @Test("Nothing wrong, nothing thrown; the bounds themselves are allowed")
    func accepts() throws {
        var validation = Validation()
        validation.length("ab", in: 2...2, at: "name")
        validation.number(0, in: 0...0, at: "position")
        validation.count(3, in: 1...3, at: "list")
        try validation.finish()
    }

    @Test("Length counts characters, not bytes")
    func countsScalars() throws {
        var validation = Validation()
        validation.length(String(repeating: "😀", count: 100), in: 1...100, at: "name")
        try validation.finish()
        validation.length(String(repeating: "é", count: 101), in: 1...100, at: "name")
        #expect(validation.faults.first?.message == "Must be between 1 and 100 in length.")
    }

    @Test("An error without fields is message and code")
    func plainReply() {
        let reply = APIError.unknownGuild.reply
        #expect(reply.status == 404)
        #expect(String(buffer: reply.body) == "{\"message\":\"Unknown Guild\",\"code\":10004}")
    }

    @Test("Faults nest by field, several of one field beside each other, and names are escaped")
    func nestedReply() {
        let reply = APIError.invalidForm([
            .init(path: ["embeds", "0", "title"], code: "A", message: "a"),
            .init(path: ["content"], code: "B", message: "b"),
            .init(path: ["embeds", "2"], code: "C", message: "c"),
            .init(path: ["content"], code: "D", message: "d"),
            .init(path: ["\"x"], code: "E", message: "e"),
        ]).reply
        #expect(
            String(buffer: reply.body) == """
                {"message":"Invalid Form Body","code":50035,"errors":{\
                "embeds":{"0":{"title":{"_errors":[{"code":"A","message":"a"}]}},\
                "2":{"_errors":[{"code":"C","message":"c"}]}},\
                "content":{"_errors":[{"code":"B","message":"b"},{"code":"D","message":"d"}]},\
                "\\"x":{"_errors":[{"code":"E","message":"e"}]}}}
                """)
    }
}
