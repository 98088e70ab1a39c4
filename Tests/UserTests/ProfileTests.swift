import Domain
import Identity
import NIOCore
import Testing
import Wire

@testable import User

@Suite(.cheapHashes) struct ProfileTests {
    let cluster = TestCluster()

    /// `UserPIIResponse` and `UserResponse` of Discord's OpenAPI document, required members.
    static let privateMembers: Set<String> = [
        "id", "username", "avatar", "discriminator", "public_flags", "flags", "global_name", "mfa_enabled", "locale",
    ]
    static let publicMembers: Set<String> = [
        "id", "username", "avatar", "discriminator", "public_flags", "flags", "global_name", "primary_guild",
    ]

    @Test func `users see their own account in full and others' in part`() throws {
        let ann = try cluster.user("ann")
        let bea = try cluster.user("bea")
        let own = try cluster.call("get_my_user", as: ann)
        #expect(own.names.isSuperset(of: Self.privateMembers))
        let other = try cluster.call("get_user", as: bea, parameters: ["user_id": ann.id.description])
        #expect(other.names.isSuperset(of: Self.publicMembers))
        #expect(try other.text("username") == "ann")
        #expect(!other.names.contains("email"))
    }

    @Test func `an unknown user is 10013 and what is no id is 50035`() throws {
        let ann = try cluster.user("ann")
        #expect(try cluster.call("get_user", as: ann, parameters: ["user_id": "1"]).code == 10013)
        #expect(try cluster.call("get_user", as: ann, parameters: ["user_id": "x"]).code == 50035)
    }

    @Test func `a rename switches the name, frees the old one and tells sessions and guilds`() throws {
        let ann = try cluster.user("ann")
        let home = cluster.slot(ann.id.slot)
        let guild = GuildID(Snowflake(milliseconds: 9, slot: Slot(truncating: 44), sequence: 0))
        try join(ann.id, guild)
        home.events = []
        let reply = try cluster.call("update_my_user", #"{"username":"anna"}"#, as: ann)
        #expect(reply.status == 200)
        #expect(try reply.text("username") == "anna")
        try cluster.settle()
        #expect(home.events.map(\.type) == ["USER_UPDATE"])
        guard case .profileChanged(guild, let profile)? = cluster.guildEffects.last else {
            Issue.record("the guild was not told")
            return
        }
        #expect(profile.username == "anna")
        #expect(profile.version == 2)
        #expect(try cluster.user("ann").id != ann.id)
    }

    @Test func `a rename to a taken name changes nothing`() throws {
        let ann = try cluster.user("ann")
        _ = try cluster.user("bea")
        let reply = try cluster.call("update_my_user", #"{"username":"bea","global_name":"B"}"#, as: ann)
        #expect(reply.fault("username") == "USERNAME_ALREADY_TAKEN")
        let own = try cluster.call("get_my_user", as: ann)
        #expect(try own.text("username") == "ann")
        #expect(own.value("global_name") == nil)
    }

    @Test(arguments: [
        ("bea", "new@example.org", ["username"]), ("free", "bea@example.org", ["email"]),
        ("bea", "bea@example.org", ["email", "username"]),
    ])
    func `of a new name and a new address both are taken on, or neither`(
        username: String, email: String, refused: [String]
    ) throws {
        let ann = try cluster.user("ann", email: "ann@example.org", at: 7)
        _ = try cluster.user("bea", email: "bea@example.org", at: 8)
        cluster.slot(ann.id.slot).events = []
        let body = #"{"username":"\#(username)","email":"\#(email)","global_name":"A"}"#
        let changed = try cluster.call("update_my_user", body, as: ann)
        #expect(changed.status == 400)
        let errors = changed.value("errors") as? [String: Any] ?? [:]
        #expect(errors.keys.sorted() == refused)
        try cluster.settle()
        let own = try cluster.call("get_my_user", as: ann)
        #expect(try own.text("username") == "ann")
        #expect(try own.text("email") == "ann@example.org")
        #expect(own.value("global_name") == nil)
        #expect(cluster.slot(ann.id.slot).events.isEmpty)
        // What was granted along the way is free again, and what ann held is still theirs.
        let other = try cluster.call(
            TestCluster.creation("free", email: "new@example.org"), at: Slot(truncating: 9))
        #expect(other.status == 201)
        #expect(try cluster.call(TestCluster.creation("ann"), at: Slot(truncating: 9)).status == 400)
        // Another attempt with free names is not held up by the refusal.
        let again = try cluster.call(
            "update_my_user", #"{"username":"anna","email":"anna@example.org"}"#, as: ann)
        #expect(try again.text("username") == "anna")
        #expect(try again.text("email") == "anna@example.org")
    }

    @Test func `a retry of a change whose wait was lost ends it`() throws {
        let reply = try cluster.call(TestCluster.registration("ann"), at: Slot(truncating: 7))
        let ann = TestCluster.RegisteredUser(id: try reply.id("user_id"), token: try reply.text("token"))
        let actor = try #require(try cluster.authenticate(ann.token))
        let request = RestRequest(
            operation: "update_my_user", actor: actor,
            body: ByteBuffer(
                string: #"{"username":"anna","global_name":"A","password":"correct horse","new_password":"new horse"}"#)
        )
        let lost = try cluster.begin(request, at: ann.id.slot)
        #expect(try lost.reply() == nil)
        var retry = request
        retry.parameters = try #require(lost.resuming)
        try cluster.settle()
        let changed = try cluster.call(retry, at: ann.id.slot)
        #expect(try changed.text("username") == "anna")
        #expect(try changed.text("global_name") == "A")
        try cluster.settle()
        #expect(try cluster.logIn("anna", "new horse").status == 200)
    }

    @Test func `two renames at once both run, one after the other`() throws {
        let ann = try cluster.user("ann")
        let actor = try #require(try cluster.authenticate(ann.token))
        let calls = try ["one", "two"].map { name in
            try cluster.begin(
                RestRequest(
                    operation: "update_my_user", actor: actor,
                    body: ByteBuffer(string: #"{"username":"\#(name)"}"#)), at: ann.id.slot)
        }
        try cluster.settle()
        #expect(try calls[0].reply()?.status == 200)
        #expect(try calls[1].reply() == nil)
        try cluster.settle()
        #expect(try calls[1].reply()?.status == 200)
        try cluster.settle()
        #expect(try cluster.call("get_my_user", as: ann).text("username") == "two")
        #expect(try cluster.user("one").id != ann.id)
        #expect(try cluster.user("ann").id != ann.id)
    }

    @Test func `a person's rename needs their password`() throws {
        let reply = try cluster.call(TestCluster.registration("ann"), at: Slot(truncating: 7))
        let ann = TestCluster.RegisteredUser(id: try reply.id("user_id"), token: try reply.text("token"))
        let without = try cluster.call("update_my_user", #"{"username":"anna"}"#, as: ann)
        #expect(without.fault("password") == "BASE_TYPE_REQUIRED")
        let wrong = try cluster.call("update_my_user", #"{"username":"anna","password":"wrong"}"#, as: ann)
        #expect(wrong.fault("password") == "PASSWORD_DOES_NOT_MATCH")
        let right = try cluster.call("update_my_user", #"{"username":"anna","password":"correct horse"}"#, as: ann)
        #expect(try right.text("username") == "anna")
    }

    @Test func `a new password revokes every token and the answer has a new one`() throws {
        let reply = try cluster.call(TestCluster.registration("ann"), at: Slot(truncating: 7))
        let ann = TestCluster.RegisteredUser(id: try reply.id("user_id"), token: try reply.text("token"))
        let second = try cluster.logIn("ann", "correct horse").text("token")
        let changed = try cluster.call(
            "update_my_user", #"{"password":"correct horse","new_password":"battery staple"}"#, as: ann)
        #expect(changed.status == 200)
        #expect(try cluster.authenticate(ann.token) == nil)
        #expect(try cluster.authenticate(second) == nil)
        #expect(try cluster.authenticate(changed.text("token")) != nil)
        #expect(try cluster.logIn("ann", "correct horse").status == 400)
        #expect(try cluster.logIn("ann", "battery staple").status == 200)
    }

    @Test func `a new e-mail address is claimed and the old one is free`() throws {
        let reply = try cluster.call(TestCluster.registration("ann"), at: Slot(truncating: 7))
        let ann = TestCluster.RegisteredUser(id: try reply.id("user_id"), token: try reply.text("token"))
        let changed = try cluster.call(
            "update_my_user", #"{"email":"Ann@New.example","password":"correct horse"}"#, as: ann)
        #expect(try changed.text("email") == "ann@new.example")
        try cluster.settle()
        #expect(try cluster.logIn("ann@new.example", "correct horse").status == 200)
        #expect(
            try cluster.call(TestCluster.registration("bea", email: "ann@example.org"), at: Slot(truncating: 1)).status
                == 201)
    }

    @Test func `a display name is set and cleared, and the version rises`() throws {
        let ann = try cluster.user("ann")
        #expect(
            try cluster.call("update_my_user", #"{"global_name":"Ann S."}"#, as: ann).text("global_name") == "Ann S.")
        #expect(try cluster.authenticate(ann.token)?.profile.version == 2)
        #expect(
            try cluster.call("update_my_user", #"{"global_name":null,"avatar":null}"#, as: ann).value("global_name")
                == nil)
        #expect(try cluster.authenticate(ann.token)?.profile.version == 3)
        #expect(try cluster.call("update_my_user", #"{"global_name":null}"#, as: ann).status == 200)
        #expect(try cluster.authenticate(ann.token)?.profile.version == 3)
    }

    @Test func `hundreds of guilds are told step by step, each once`() throws {
        let ann = try cluster.user("ann")
        let guilds = (1...250).map {
            GuildID(Snowflake(milliseconds: UInt64($0), slot: Slot(truncating: UInt64($0)), sequence: 0))
        }
        for guild in guilds { try join(ann.id, guild) }
        _ = try cluster.call("update_my_user", #"{"global_name":"Ann"}"#, as: ann)
        try cluster.settle()
        let told = cluster.guildEffects.compactMap { effect -> GuildID? in
            guard case .profileChanged(let guild, _) = effect else { return nil }
            return guild
        }
        #expect(told.sorted() == guilds)
    }

    private func join(_ user: UserID, _ guild: GuildID) throws {
        let home = cluster.slot(user.slot)
        _ = try home.command {
            try UserService.apply(.membershipAdded(user: user, guild: guild, joinedAt: home.now), in: $0)
        }
    }
}
