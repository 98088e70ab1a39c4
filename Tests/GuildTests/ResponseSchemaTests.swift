import Foundation
import Testing

/// The check of answers against Discord's document would be worth nothing if it passed everything.
@Suite("The check of answers", .enabled(if: ResponseSchema.shared != nil, "no OpenAPI document: answers unchecked"))
struct ResponseSchemaTests {
    @Test("A missing member, a wrong type and an unknown choice are found")
    func finds() throws {
        let schema = try #require(ResponseSchema.shared)
        let overwrite: [String: Any] = ["id": "1", "type": 0, "allow": "0", "deny": "0"]
        func faults(_ change: (inout [String: Any]) -> Void) -> [String] {
            var changed = overwrite
            change(&changed)
            return schema.faults(of: changed, component: "ChannelPermissionOverwriteResponse")
        }
        #expect(faults { _ in } == [])
        #expect(!faults { $0["deny"] = nil }.isEmpty)
        #expect(!faults { $0["allow"] = 7 }.isEmpty)
        #expect(!faults { $0["type"] = 2 }.isEmpty)
        #expect(!faults { $0["type"] = true }.isEmpty)
    }
}
