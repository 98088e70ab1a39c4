import Domain
import Identity
import NIOCore
import Testing
import Wire

@testable import User

@Suite(.cheapHashes) struct ApplicationTests {
    let cluster = TestCluster()

    /// `PrivateApplicationResponse` of Discord's OpenAPI document, required members.
    static let members: Set<String> = [
        "id", "name", "icon", "description", "type", "verify_key", "flags", "flags_new", "redirect_uris",
        "interactions_endpoint_url", "role_connections_verification_url", "owner", "approximate_guild_count",
        "approximate_user_install_count", "approximate_user_authorization_count", "explicit_content_filter", "team",
        "eligible_oauth2_scopes",
    ]

    @Test(arguments: ["get_my_application", "get_my_oauth2_application"])
    func `a bot reads its application with all that the document requires`(operation: String) throws {
        let bot = try cluster.bot("robby")
        let reply = try cluster.call(operation, as: bot)
        #expect(reply.status == 200)
        #expect(reply.names.isSuperset(of: Self.members))
        #expect(try reply.id("id") == bot.id)
        #expect(reply.value("bot.bot") as? Bool == true)
    }

    @Test func `a person has no application`() throws {
        let ann = try cluster.user("ann")
        #expect(try cluster.call("get_my_application", as: ann).code == 20002)
    }

    @Test func `the owner's profile shows in the application`() throws {
        let owner = UserProfile(id: UserID(rawValue: 77), username: "ann")
        let reply = try cluster.call(
            RestRequest(
                operation: "admin_create_bot", body: ByteBuffer(string: #"{"name":"robby","owner_id":"77"}"#),
                subject: owner, isOperator: true), at: Slot(truncating: 6))
        let bot = TestCluster.RegisteredUser(id: try reply.id("application_id"), token: try reply.text("token"))
        let application = try cluster.call("get_my_application", as: bot)
        #expect(try application.text("owner.username") == "ann")
        #expect(try application.text("owner.id") == "77")
    }

    @Test func `all privileged intents are allowed until the operator says otherwise`() throws {
        let bot = try cluster.bot("robby")
        #expect(try cluster.authentication(bot.token).allowedPrivilegedIntents == Intents.privileged)
        let reply = try cluster.call(
            RestRequest(
                operation: "admin_update_bot", parameters: ["user_id": bot.id.description],
                body: ByteBuffer(string: #"{"privileged_intents":2,"bot_public":false,"description":"x"}"#),
                isOperator: true), at: bot.id.slot)
        #expect(reply.value("flags") as? Int == 1 << 14)
        #expect(reply.value("bot_public") as? Bool == false)
        #expect(try cluster.authentication(bot.token).allowedPrivilegedIntents == Intents.guildMembers)
    }

    @Test func `a reset gives a new token and the old one is dead`() throws {
        let bot = try cluster.bot("robby")
        let reply = try cluster.call(
            RestRequest(
                operation: "admin_reset_bot_token", parameters: ["user_id": bot.id.description], isOperator: true),
            at: bot.id.slot)
        #expect(try cluster.authenticate(bot.token) == nil)
        #expect(try cluster.authenticate(reply.text("token"))?.profile.isBot == true)
    }

    @Test(arguments: ["admin_create_user", "admin_create_bot", "admin_update_bot", "admin_reset_bot_token"])
    func `nobody but an operator administers`(operation: String) throws {
        let bot = try cluster.bot("robby")
        let reply = try cluster.call(
            RestRequest(
                operation: operation, parameters: ["user_id": bot.id.description],
                actor: try cluster.authenticate(bot.token), body: ByteBuffer(string: #"{"username":"x2","name":"x2"}"#)),
            at: bot.id.slot)
        #expect(reply.status == 401)
    }

    @Test(arguments: ["a", "@robby", "everyone", " robby", "ro:bby"])
    func `a bot's name has no characters that mentions are made of`(name: String) throws {
        let reply = try cluster.call(
            RestRequest(
                operation: "admin_create_bot", body: ByteBuffer(string: #"{"name":"\#(name)"}"#), isOperator: true),
            at: Slot(truncating: 6))
        #expect(reply.status == 400)
        #expect(reply.fault("name") != nil)
    }
}
