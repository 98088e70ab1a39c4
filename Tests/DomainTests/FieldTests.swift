import Domain
import Identity
import NIOCore
import Testing

private struct Patch: Decodable {
    var topic: Field<String>
    var parentID: Field<ChannelID>
    var position: Field<Int>

    enum CodingKeys: String, CodingKey {
        case topic, position
        case parentID = "parent_id"
    }
}

private func patch(_ text: String) throws(APIError) -> Patch {
    try RequestBody.decode(Patch.self, from: ByteBuffer(string: text))
}

@Suite("Fields of PATCH bodies")
struct FieldTests {
    @Test("Left out, null and a value are told apart")
    func threeStates() throws {
        let body = try patch("{\"topic\":null,\"parent_id\":\"7\"}")
        #expect(body.topic == .null)
        #expect(body.parentID == .value(ChannelID(rawValue: 7)))
        #expect(body.position == .absent)
        #expect(body.topic.isPresent && !body.position.isPresent)
    }

    @Test("Absent keeps, null clears, a value sets")
    func applied() {
        #expect(Field<Int>.absent.applied(to: 3) == 3)
        #expect(Field<Int>.null.applied(to: 3) == nil)
        #expect(Field<Int>.value(4).applied(to: 3) == 4)
        #expect(Field<Int>.null.applied(to: 3, resettingTo: 0) == 0)
    }

    @Test("A wrong type within a field is named by the field's place")
    func wrongType() {
        do {
            _ = try patch("{\"parent_id\":{}}")
            Issue.record("a wrong type was taken")
        } catch {
            #expect(error.fields.first?.path == ["parent_id"])
        }
    }
}
