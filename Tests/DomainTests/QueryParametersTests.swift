import Domain
import Identity
import Testing
import Wire

private func request(_ query: [(name: String, value: String)], _ parameters: [String: String] = [:]) -> RestRequest {
    RestRequest(operation: "x", parameters: parameters, query: query)
}

@Suite("Parameters of path and query")
struct QueryParametersTests {
    @Test("A number within its range is taken, its absence gives the default")
    func integers() throws {
        #expect(try request([("limit", "7")]).queryInteger("limit", in: 1...10, default: 5) == 7)
        #expect(try request([]).queryInteger("limit", in: 1...10, default: 5) == 5)
    }

    @Test("A number out of range or none at all is 50035", arguments: ["0", "11", "x", "", "1.5"])
    func badIntegers(text: String) {
        #expect(throws: APIError.self) {
            try request([("limit", text)]).queryInteger("limit", in: 1...10, default: 5)
        }
    }

    @Test("Libraries write truth in several ways")
    func booleans() throws {
        for text in ["true", "True", "1"] { #expect(try request([("a", text)]).queryBool("a")) }
        for text in ["false", "False", "0"] { #expect(try !request([("a", text)]).queryBool("a", default: true)) }
        #expect(throws: APIError.self) { try request([("a", "maybe")]).queryBool("a") }
    }

    @Test("What is not a snowflake is 50035, in the path as in the query")
    func ids() throws {
        let id: GuildID = try request([], ["guild_id": "77"]).pathID("guild_id")
        #expect(id.rawValue == 77)
        #expect(throws: APIError.self) { let _: GuildID = try request([], ["guild_id": "abc"]).pathID("guild_id") }
        #expect(throws: APIError.self) { let _: UserID? = try request([("after", "-1")]).queryID("after") }
        let none: UserID? = try request([]).queryID("after")
        #expect(none == nil)
    }
}
