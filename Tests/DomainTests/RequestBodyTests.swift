import Domain
import DomainTesting
import Identity
import NIOCore
import Testing

private struct Body: Decodable {
    struct Inner: Decodable {
        var title: String
        var count: Int?
        var isOn: Bool?
    }

    var name: String?
    var inner: Inner?
    var list: [Inner]?
    var channel: ChannelID?
    var permissions: Permissions?
    var numbers: [Int]?
}

private func decode(_ text: String) throws(APIError) -> Body {
    try RequestBody.decode(Body.self, from: ByteBuffer(string: text))
}

private func fault(_ text: String) -> APIError.FieldFault? {
    do {
        _ = try decode(text)
        return nil
    } catch {
        return error.code == 50035 ? error.fields.first : nil
    }
}

@Suite("Bodies of requests")
struct RequestBodyTests {
    @Test(
        "What is not JSON gets 50109",
        arguments: [
            "{", "{\"a\":}", "nonsense", "{\"a\":1}}", "[1,]", "{\"a\":1 , }", "{\"a\":[1,\n]}", "\u{0}",
            "{\"name\":\"\\ud800\"}",
        ])
    func invalidJSON(text: String) {
        #expect(throws: APIError.invalidJSON) { try decode(text) }
    }

    @Test("Bytes that are not UTF-8 get 50109")
    func invalidUTF8() {
        let bytes = ByteBuffer(bytes: Array("{\"name\":\"".utf8) + [0xff, 0xfe] + Array("\"}".utf8))
        #expect(throws: APIError.invalidJSON) { try RequestBody.decode(Body.self, from: bytes) }
    }

    @Test("An empty body counts as an empty object")
    func emptyBody() throws {
        #expect(try decode("").name == nil)
    }

    @Test("A body nested deeper than the limit is refused before it is decoded")
    func depth() throws {
        let deepest = String(repeating: "[", count: RequestBody.maximumDepth - 1)
        let closing = String(repeating: "]", count: RequestBody.maximumDepth - 1)
        #expect(try decode("{\"extra\":\(deepest)\(closing)}").name == nil)
        #expect(throws: APIError.invalidJSON) { try decode("{\"extra\":[\(deepest)\(closing)]}") }
        #expect(throws: APIError.invalidJSON) { try decode(String(repeating: "[", count: 1_000_000)) }
    }

    @Test("Hostile and broken bodies give a value or an error of Discord's", arguments: [1, 2, 3, 4] as [UInt64])
    func hostile(seed: UInt64) {
        let texts = [
            #"{"name":"a","inner":{"title":"t","count":1,"isOn":true},"list":[{"title":"x"}],"channel":"5"}"#,
            #"{"numbers":[1e400,-0,1e-400,18446744073709551616,0.1],"permissions":"8"}"#,
            #"{"name":"\ud83d\ude00 \u0000 \udc00","name":"again","numbers":[00,+1,.5,1.,NaN,Infinity]}"#,
            "{\"name\":\"" + String(repeating: "\\\\", count: 500) + "\"}",
            String(repeating: "{\"inner\":", count: 31) + "1" + String(repeating: "}", count: 31),
        ]
        var mutations = Mutations(seed: seed)
        for text in texts {
            for _ in 0..<500 {
                let body = mutations.next(of: ByteBuffer(string: text))
                do {
                    _ = try RequestBody.decode(Body.self, from: body)
                } catch {
                    #expect(error.status == 400 && [50035, 50109].contains(error.code), "seed \(seed): \(body)")
                }
            }
        }
    }

    @Test(
        "Numbers as JSON does not write them are refused",
        arguments: ["00", "+1", ".5", "1.", "NaN", "Infinity", "0x1", "1e", "-"])
    func strangeNumbers(_ number: String) {
        #expect(throws: APIError.invalidJSON) { try decode("{\"numbers\":[\(number)]}") }
    }

    @Test("Brackets inside strings do not count as nesting")
    func bracketsInStrings() throws {
        let text = String(repeating: "[", count: 100) + "\\\"" + String(repeating: "{", count: 100)
        #expect(try decode("{\"name\":\"\(text)\"}").name?.count == 201)
    }

    @Test("A missing field is named with its way through objects and arrays")
    func missingField() {
        let missing = fault("{\"list\":[{\"title\":\"a\"},{\"count\":1}]}")
        #expect(missing?.path == ["list", "1", "title"])
        #expect(missing?.code == "BASE_TYPE_REQUIRED")
        #expect(missing?.message == "This field is required")
    }

    @Test("Null where a value is needed counts as missing")
    func nullField() {
        #expect(fault("{\"inner\":{\"title\":null}}")?.code == "BASE_TYPE_REQUIRED")
    }

    @Test(
        "A wrong type gets Discord's code for what was expected",
        arguments: [
            ("{\"inner\":{\"title\":\"a\",\"count\":\"x\"}}", ["inner", "count"], "NUMBER_TYPE_COERCE"),
            ("{\"inner\":{\"title\":\"a\",\"count\":1.5}}", ["inner", "count"], "NUMBER_TYPE_COERCE"),
            ("{\"inner\":{\"title\":\"a\",\"isOn\":\"x\"}}", ["inner", "isOn"], "BOOLEAN_TYPE_CONVERT"),
            ("{\"name\":[]}", ["name"], "STRING_TYPE_CONVERT"),
            ("{\"inner\":[]}", ["inner"], "MODEL_TYPE_CONVERT"),
            ("{\"list\":{}}", ["list"], "LIST_TYPE_CONVERT"),
            ("{\"channel\":\"abc\"}", ["channel"], "NUMBER_TYPE_COERCE"),
            ("{\"channel\":-1}", ["channel"], "NUMBER_TYPE_COERCE"),
            ("{\"permissions\":\"-1\"}", ["permissions"], "NUMBER_TYPE_COERCE"),
            ("{\"numbers\":[1,99999999999999999999]}", ["numbers", "1"], "NUMBER_TYPE_COERCE"),
            ("{\"numbers\":[1.5,1.5]}", [], "NUMBER_TYPE_COERCE"),
            ("{\"numbers\":[1,\"2\"]}", ["numbers", "1"], "NUMBER_TYPE_COERCE"),
        ])
    func wrongType(text: String, path: [String], code: String) {
        #expect(fault(text)?.path == path)
        #expect(fault(text)?.code == code)
    }

    @Test("A body of another kind altogether is a wrong type, not broken JSON")
    func wrongRoot() {
        #expect(fault("[]")?.code == "MODEL_TYPE_CONVERT")
        #expect(fault("7")?.code == "MODEL_TYPE_CONVERT")
    }

    @Test("Ids and permissions come as strings or as integers")
    func idsAndPermissions() throws {
        #expect(try decode("{\"channel\":\"12345678901234567890\"}").channel?.rawValue == 12_345_678_901_234_567_890)
        #expect(try decode("{\"channel\":42}").channel?.rawValue == 42)
        #expect(try decode("{\"permissions\":\"2048\"}").permissions == .sendMessages)
        #expect(try decode("{\"permissions\":2048}").permissions == .sendMessages)
    }

    @Test("Permissions that Discord does not define are dropped")
    func unknownPermissions() throws {
        #expect(try decode("{\"permissions\":\"\(UInt64.max)\"}").permissions == .all)
    }
}
