import Identity
import Testing

@testable import Guild

@Suite("Reading a channel's history")
struct HistoryTests {
    /// Messages 0…23 in eight buckets with gaps between them: three in each, some buckets apart.
    private func history() throws -> (talk: Conversation, ids: [String]) {
        let talk = try Conversation()
        var ids: [String] = []
        for (bucket, gap) in [0, 10, 10, 40, 20, 11, 365, 9].enumerated() {
            talk.scene.slot.now = talk.scene.slot.now + .seconds(gap * 86_400)
            for position in 0..<3 { ids.append(try talk.post("\(bucket * 3 + position)")["id"].text) }
        }
        return (talk, ids)
    }

    private func numbers(_ range: some Sequence<Int>) -> [String] { range.map(String.init) }

    @Test("The messages really lie in several buckets")
    func buckets() throws {
        let (talk, ids) = try history()
        let buckets = Set(ids.compactMap { MessageID($0) }.map { MessageBucket(of: $0) })
        #expect(buckets.count >= 7)
        let channel = try #require(ChannelID(talk.channel))
        #expect(try MessageHistory(reader: talk.scene.slot, channel: channel).buckets() == buckets.sorted())
    }

    @Test("The newest come first, over the borders of buckets")
    func newest() throws {
        let (talk, _) = try history()
        #expect(try talk.contents() == numbers((0...23).reversed()))
        #expect(try talk.contents(("limit", "7")) == numbers((17...23).reversed()))
    }

    @Test("Paging back from message to message meets each once, to the first", arguments: [1, 2, 4, 5, 24, 100])
    func pagingBack(limit: Int) throws {
        let (talk, _) = try history()
        var seen: [String] = []
        var page = try talk.list(("limit", "\(limit)"))
        while let last = page.last {
            seen += page.map { $0["content"].text }
            page = try talk.list(("limit", "\(limit)"), ("before", last["id"].text))
        }
        #expect(seen == numbers((0...23).reversed()))
    }

    @Test("Paging on from message to message meets each once, to the last", arguments: [1, 3, 5, 100])
    func pagingOn(limit: Int) throws {
        let (talk, _) = try history()
        var seen: [String] = []
        var after = "0"
        while true {
            let page = try talk.list(("limit", "\(limit)"), ("after", after))
            guard let newest = page.first else { break }
            // Each page is newest first.
            seen += page.reversed().map { $0["content"].text }
            after = newest["id"].text
        }
        #expect(seen == numbers(0...23))
    }

    @Test("Around a message, half is older and half newer")
    func around() throws {
        let (talk, ids) = try history()
        #expect(try talk.contents(("around", ids[10]), ("limit", "5")) == numbers((8...12).reversed()))
        #expect(try talk.contents(("around", ids[10]), ("limit", "4")) == numbers((9...12).reversed()))
        #expect(try talk.contents(("around", ids[0]), ("limit", "5")) == numbers((0...2).reversed()))
        #expect(try talk.contents(("around", ids[23]), ("limit", "5")) == numbers((21...23).reversed()))
    }

    @Test("Before and after an id that no message has, they are found by time")
    func foreignIDs() throws {
        let (talk, ids) = try history()
        let id = try #require(Snowflake(ids[11]))
        let between = Snowflake(rawValue: id.rawValue + 1).description
        #expect(try talk.contents(("before", between), ("limit", "2")) == ["11", "10"])
        #expect(try talk.contents(("after", between), ("limit", "2")) == ["13", "12"])
        #expect(try talk.contents(("before", "0")) == [])
        #expect(try talk.contents(("before", "18446744073709551615"), ("limit", "1")) == ["23"])
        #expect(try talk.contents(("after", "18446744073709551615")) == [])
    }

    @Test("Deleted messages leave no gap in a page")
    func tombstones() throws {
        let (talk, ids) = try history()
        for position in [3, 4, 5, 22] {
            #expect(try talk.call("delete_message", as: talk.scene.alice, message: ids[position]).status == 204)
        }
        #expect(try talk.contents(("limit", "3")) == ["23", "21", "20"])
        #expect(try talk.contents(("before", ids[7]), ("limit", "3")) == ["6", "2", "1"])
        #expect(try talk.contents(("after", ids[1]), ("limit", "2")) == ["6", "2"])
        #expect(try talk.call("get_message", as: talk.scene.alice, message: ids[4]).code == 10008)
    }

    @Test("A page has 50 messages unless 1 to 100 are asked for", arguments: ["0", "101", "-1", "x"])
    func limits(limit: String) throws {
        let talk = try Conversation()
        for number in 0..<60 { try talk.post("\(number)") }
        #expect(try talk.contents().count == 50)
        #expect(try talk.contents(("limit", "100")).count == 60)
        let answer = try talk.call("list_messages", as: talk.scene.alice, query: [("limit", limit)])
        #expect(answer.status == 400 && answer.code == 50035)
    }

    @Test("An author shows as they are now, and as they were when they have left")
    func authors() throws {
        let talk = try Conversation()
        try talk.post("hello", as: talk.scene.bob)
        var renamed = talk.scene.bob
        renamed.username = "robert"
        renamed.version += 1
        _ = try talk.scene.slot.command {
            try GuildService.apply(.profileChanged(guild: talk.guild, profile: renamed), in: $0)
        }
        #expect(try talk.list()[0]["author"]["username"].text == "robert")
        try talk.scene.done("leave_guild", as: talk.scene.bob, ["guild_id": talk.guild])
        #expect(try talk.list()[0]["author"]["username"].text == "bob")
    }

    @Test("A deleted channel's messages go with it")
    func channelDeletion() throws {
        let (talk, _) = try history()
        #expect(talk.scene.slot.rowCount(.message) > 0)
        try talk.scene.done("delete_channel", as: talk.scene.owner, ["channel_id": talk.channel])
        #expect(talk.scene.slot.rowCount(.message) == 0)
    }
}
