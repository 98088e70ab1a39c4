import Domain
import Foundation
import Identity
import NIOCore
import Testing

@Suite("Writing JSON")
struct JSONWriterTests {
    private func text(_ write: (inout JSONWriter) -> Void) -> String {
        var writer = JSONWriter(capacity: 0)
        write(&writer)
        return String(buffer: writer.buffer)
    }

    @Test("Commas stand between members and elements, and nowhere else")
    func commas() {
        let written = text { json in
            json.object { json in
                json.member("a", 1)
                json.member("b", object: { _ in })
                json.member(
                    "c",
                    array: { json in
                        json.integer(-1)
                        json.null()
                        json.array { _ in }
                        json.object { $0.member("d", true) }
                        json.bool(false)
                    })
                json.memberNull("e")
                json.member("f", raw: ByteBuffer(string: "[1]"))
                json.member("g", UserID(rawValue: .max))
            }
        }
        #expect(
            written
                == #"{"a":1,"b":{},"c":[-1,null,[],{"d":true},false],"e":null,"f":[1],"g":"18446744073709551615"}"#)
    }

    @Test("Integers are written to their ends", arguments: [0, 1, -1, 9, 10, 99, 100, .min, .max] as [Int64])
    func integers(value: Int64) {
        #expect(text { $0.integer(value) } == String(value))
    }

    @Test(
        "Every string is read back as it was",
        arguments: ["", "a", "\"", "\\", "\u{0}\u{1f}\n\r\t", "é𝄞👨‍👩‍👧", String(repeating: "x\"", count: 5000)])
    func strings(value: String) throws {
        let written = text { $0.array { $0.string(value) } }
        let read = try JSONSerialization.jsonObject(with: Data(written.utf8)) as? [String]
        #expect(read == [value])
    }

    @Test("A time is written as ISO 8601")
    func times() {
        #expect(text { $0.timestamp(Timestamp(milliseconds: 0)) } == #""1970-01-01T00:00:00.000000+00:00""#)
    }
}
