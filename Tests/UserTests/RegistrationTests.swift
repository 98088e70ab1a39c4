import DomainTesting
import Identity
import NIOCore
import Testing
import Wire

@testable import User

@Suite(.cheapHashes) struct RegistrationTests {
    let cluster = TestCluster()
    let slot = Slot(truncating: 7)

    @Test func `a registered user's token works and their name belongs to them`() throws {
        let reply = try cluster.call(TestCluster.registration("ann"), at: slot)
        #expect(reply.status == 201)
        let id: UserID = try reply.id("user_id")
        #expect(id.slot == slot)
        #expect(try cluster.authenticate(reply.text("token"))?.profile.username == "ann")
        let found = try cluster.call(
            RestRequest(operation: "lookup_name", parameters: ["kind": "username", "name": "Ann"]),
            at: DirectoryName.username("ann").slot)
        #expect(try found.id("user_id") == id)
        #expect(found.value("is_known") as? Bool == true)
    }

    @Test func `no token works before the directory has answered`() throws {
        let call = try cluster.begin(TestCluster.registration("ann"), at: slot)
        #expect(try call.reply() == nil)
        // The only user of the slot has the first id minted there.
        let home = cluster.slot(slot)
        let rows = UserRows(home)
        var users: [UserID] = []
        try home.scan(.user, from: [], upTo: [255], reverse: false) { key, _ in
            users.append(UserID(rawValue: key.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }))
            return true
        }
        let user = try #require(users.first)
        #expect(try rows.account(user)?.state == .pending)
        #expect(try UserService.profile(of: user, in: home) == nil)
        try cluster.settle()
        #expect(try call.reply()?.status == 201)
        #expect(try UserService.profile(of: user, in: home)?.username == "ann")
    }

    @Test func `a taken username is refused and the e-mail is free again`() throws {
        _ = try cluster.call(TestCluster.registration("ann"), at: slot)
        let reply = try cluster.call(
            TestCluster.registration("ann", email: "other@example.org"), at: Slot(truncating: 8))
        #expect(reply.status == 400)
        #expect(reply.code == 50035)
        #expect(reply.fault("username") == "USERNAME_ALREADY_TAKEN")
        #expect(reply.fault("email") == nil)
        #expect(cluster.slot(Slot(truncating: 8)).rowCount(.user) == 0)
        try cluster.settle()
        let other = try cluster.call(
            TestCluster.registration("bea", email: "other@example.org"), at: Slot(truncating: 9))
        #expect(other.status == 201)
    }

    @Test func `a taken e-mail is refused in whatever case and the username is free again`() throws {
        _ = try cluster.call(TestCluster.registration("ann"), at: slot)
        let reply = try cluster.call(TestCluster.registration("bea", email: "ANN@Example.org"), at: slot)
        #expect(reply.fault("email") == "EMAIL_ALREADY_REGISTERED")
        #expect(reply.fault("username") == nil)
        try cluster.settle()
        #expect(try cluster.call(TestCluster.registration("bea"), at: slot).status == 201)
    }

    @Test func `both refusals are told at once`() throws {
        _ = try cluster.call(TestCluster.registration("ann"), at: slot)
        let reply = try cluster.call(TestCluster.registration("ann"), at: slot)
        #expect(reply.fault("username") == "USERNAME_ALREADY_TAKEN")
        #expect(reply.fault("email") == "EMAIL_ALREADY_REGISTERED")
    }

    @Test func `of two who register one name at once exactly one gets it`() throws {
        let first = try cluster.begin(TestCluster.registration("ann", email: "a@example.org"), at: slot)
        let second = try cluster.begin(
            TestCluster.registration("ann", email: "b@example.org"), at: Slot(truncating: 300))
        try cluster.settle()
        let statuses = [try first.reply()?.status, try second.reply()?.status].compactMap(\.self).sorted()
        #expect(statuses == [201, 400])
        try cluster.settle()
        let owner = try cluster.call(
            RestRequest(operation: "lookup_name", parameters: ["kind": "username", "name": "ann"]),
            at: DirectoryName.username("ann").slot)
        #expect(owner.value("is_known") as? Bool == true)
    }

    @Test(arguments: [
        TestCluster.registration("ann"),
        TestCluster.creation("ann"),
        RestRequest(operation: "admin_create_bot", body: ByteBuffer(string: #"{"name":"ann"}"#), isOperator: true),
    ])
    func `a retry after the wait was lost finds the first attempt's account`(request: RestRequest) throws {
        let lost = try cluster.begin(request, at: slot)
        var retry = request
        retry.parameters = try #require(lost.resuming)
        // Before the directory has answered, and after it.
        let early = try cluster.begin(retry, at: slot)
        #expect(try early.reply() == nil)
        try cluster.settle()
        let reply = Reply(try #require(try early.reply()))
        #expect(reply.status == 201)
        let late = try cluster.begin(retry, at: slot)
        #expect(try late.reply()?.body == early.reply()?.body)
        #expect(try cluster.authenticate(reply.text("token"))?.profile.username == "ann")
        let owner = try cluster.call(
            RestRequest(operation: "lookup_name", parameters: ["kind": "username", "name": "ann"]),
            at: DirectoryName.username("ann").slot)
        let id = reply.value("user_id") ?? reply.value("id")
        #expect(try owner.text("user_id") == id as? String)
    }

    @Test func `a retry after the wait was lost is told that another has the name`() throws {
        _ = try cluster.user("ann", at: 9)
        let request = TestCluster.creation("ann", email: "b@example.org")
        let lost = try cluster.begin(request, at: slot)
        try cluster.settle()
        var retry = request
        retry.parameters = try #require(lost.resuming)
        let reply = Reply(try #require(try cluster.begin(retry, at: slot).reply()))
        #expect(reply.fault("username") == "USERNAME_ALREADY_TAKEN")
        #expect(cluster.slot(slot).rowCount(.user) == 0)
    }

    @Test func `a name granted to an account that is gone is released`() throws {
        let nobody = UserID(Snowflake(milliseconds: 1, slot: slot, sequence: 0))
        let name = DirectoryName.username("ghost")
        let directory = cluster.slot(name.slot)
        _ = try directory.command { try UserService.apply(.claimName(name, owner: nobody), in: $0) }
        #expect(directory.rowCount(.index) == 1)
        try cluster.settle()
        #expect(directory.rowCount(.index) == 0)
    }

    @Test(arguments: [
        ("A", "a@example.org", "correct horse", "username", "BASE_TYPE_BAD_LENGTH"),
        ("Ann", "a@example.org", "correct horse", "username", "USERNAME_INVALID_CHARACTERS"),
        ("ann smith", "a@example.org", "correct horse", "username", "USERNAME_INVALID_CHARACTERS"),
        ("an..n", "a@example.org", "correct horse", "username", "USERNAME_INVALID_PERIODS"),
        (String(repeating: "a", count: 33), "a@example.org", "correct horse", "username", "BASE_TYPE_BAD_LENGTH"),
        ("ann", "example.org", "correct horse", "email", "EMAIL_TYPE_INVALID_EMAIL"),
        ("ann", "a@b", "correct horse", "email", "EMAIL_TYPE_INVALID_EMAIL"),
        ("ann", "a@b@c.org", "correct horse", "email", "EMAIL_TYPE_INVALID_EMAIL"),
        ("ann", "a b@example.org", "correct horse", "email", "EMAIL_TYPE_INVALID_EMAIL"),
        ("ann", "a@example.org", "short12", "password", "BASE_TYPE_BAD_LENGTH"),
    ])
    func `what breaks a rule is refused before anything is claimed`(
        username: String, email: String, password: String, field: String, code: String
    ) throws {
        let reply = try cluster.call(
            TestCluster.registration(username, email: email, password: password), at: slot)
        #expect(reply.status == 400)
        #expect(reply.fault(field) == code)
        #expect(cluster.slot(slot).rowCount(.user) == 0)
        #expect(cluster.slot(slot).effects.isEmpty)
    }

    @Test func `missing fields and wrong types are named`() throws {
        let missing = try cluster.call(
            RestRequest(operation: "register", body: ByteBuffer(string: #"{"username":"ann"}"#)), at: slot)
        #expect(missing.fault("email") == "BASE_TYPE_REQUIRED")
        let broken = try cluster.call(
            RestRequest(operation: "register", body: ByteBuffer(string: "{")), at: slot)
        #expect(broken.code == 50109)
    }
}
