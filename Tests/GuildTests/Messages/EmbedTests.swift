import Foundation
import Testing

@testable import Guild

@Suite("Embeds")
struct EmbedTests {
    private static func text(_ count: Int) -> String { String(repeating: "x", count: count) }

    @Test("An embed comes back in Discord's form")
    func form() throws {
        let talk = try Conversation()
        let embed: [String: Any] = [
            "title": "T", "description": "D", "url": "https://example.org/a?b=c", "color": 0xff00ff,
            "timestamp": "2026-11-24T08:06:32.5+01:00", "type": "article",
            "author": ["name": "A", "icon_url": "https://example.org/a.png"],
            "footer": ["text": "F"], "image": ["url": "http://example.org/i.png"],
            "thumbnail": ["url": "https://example.org/t.png"],
            "fields": [["name": "N", "value": "V"], ["name": "N2", "value": "V2", "inline": true] as [String: Any]],
        ]
        let posted = JSON(try talk.call("create_message", as: talk.scene.alice, body: ["embeds": [embed]]).json)
        let kept = posted["embeds"][0]
        #expect(kept["type"].text == "rich" && kept["title"].text == "T" && kept["color"].int == 0xff00ff)
        #expect(kept["timestamp"].text == "2026-11-24T07:06:32.500000+00:00")
        #expect(kept["author"]["name"].text == "A" && kept["footer"]["text"].text == "F")
        #expect(kept["image"]["url"].text == "http://example.org/i.png")
        #expect(kept["fields"][0]["inline"].value as? Bool == false && kept["fields"][1]["inline"].bool)
        #expect(try talk.list()[0]["embeds"].canonical == posted["embeds"].canonical)
    }

    @Test("What is as long as allowed is taken")
    func longest() throws {
        let talk = try Conversation()
        let embeds: [[String: Any]] = [
            ["title": Self.text(256), "author": ["name": Self.text(256)]],
            ["description": Self.text(4096)],
            ["fields": [["name": Self.text(256), "value": Self.text(1024)]]],
            ["description": Self.text(6000 - 256 - 256 - 4096 - 256 - 1024)],
        ]
        #expect(try talk.call("create_message", as: talk.scene.alice, body: ["embeds": embeds]).status == 200)
    }

    @Test(
        "What is longer, or no address, colour or time, is refused by its place",
        arguments: [
            (#"[{"title":"X257"}]"#, "0", "title", "BASE_TYPE_MAX_LENGTH"),
            (#"[{"title":"x"},{"description":"X4097"}]"#, "1", "description", "BASE_TYPE_MAX_LENGTH"),
            (#"[{"color":16777216,"title":"x"}]"#, "0", "color", "NUMBER_TYPE_MAX"),
            (#"[{"url":"ftp://x.org","title":"x"}]"#, "0", "url", "URL_TYPE_INVALID_SCHEME"),
            (#"[{"url":"https:x","title":"x"}]"#, "0", "url", "URL_TYPE_INVALID_URL"),
            (#"[{"url":"https://a b","title":"x"}]"#, "0", "url", "URL_TYPE_INVALID_URL"),
            (#"[{"timestamp":"yesterday","title":"x"}]"#, "0", "timestamp", "DATE_TIME_TYPE_PARSE"),
            (#"[{}]"#, "0", "description", "BASE_TYPE_REQUIRED"),
            (#"[{"color":5}]"#, "0", "description", "BASE_TYPE_REQUIRED"),
        ])
    func refusals(embeds: String, position: String, field: String, code: String) throws {
        let talk = try Conversation()
        let text = embeds.replacing("X257", with: Self.text(257)).replacing("X4097", with: Self.text(4097))
        let answer = try talk.call(
            "create_message", as: talk.scene.alice,
            body: ["embeds": try JSONSerialization.jsonObject(with: Data(text.utf8))])
        #expect(answer.code == 50035)
        #expect(Conversation.fault(answer, "embeds", position, field) == code)
    }

    @Test("Eleven embeds, 26 fields, an empty field and 6,001 characters in all are refused")
    func numbers() throws {
        let talk = try Conversation()
        let refused: [[[String: Any]]] = [
            [[String: Any]](repeating: ["title": "x"], count: 11),
            [["fields": [[String: Any]](repeating: ["name": "n", "value": "v"], count: 26)]],
            [["fields": [["name": "", "value": "v"]]]],
            [["description": Self.text(4096)], ["description": Self.text(1905)]],
        ]
        for embeds in refused {
            let answer = try talk.call("create_message", as: talk.scene.alice, body: ["embeds": embeds])
            #expect(answer.code == 50035, "\(embeds.count)")
        }
    }
}
