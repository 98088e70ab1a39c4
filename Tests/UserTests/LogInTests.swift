import Identity
import NIOCore
import Synchronization
import Testing
import Wire

@testable import User

@Suite(.cheapHashes) struct LogInTests {
    let cluster = TestCluster()

    @Test func `a user logs in by name and by address and gets a token of their own`() throws {
        let registered = try cluster.call(TestCluster.registration("ann"), at: Slot(truncating: 7))
        for login in ["ann", "ann@example.org", "Ann@Example.org"] {
            let reply = try cluster.logIn(login, "correct horse")
            #expect(reply.status == 200)
            let token = try reply.text("token")
            #expect(token != (try registered.text("token")))
            #expect(try cluster.authenticate(token)?.userID == registered.id("user_id"))
        }
    }

    @Test func `a wrong password and an unknown name get the same answer`() throws {
        _ = try cluster.call(TestCluster.registration("ann"), at: Slot(truncating: 7))
        let wrong = try cluster.logIn("ann", "battery staple")
        let unknown = try cluster.logIn("nobody", "battery staple")
        #expect(wrong.status == 400)
        #expect(wrong.fault("login") == "INVALID_LOGIN")
        #expect(wrong.body == unknown.body)
    }

    @Test func `every check costs the same hash, whether or not there is a user or a password`() throws {
        _ = try cluster.call(TestCluster.registration("ann"), at: Slot(truncating: 7))
        _ = try cluster.user("bea")
        let expected = PasswordHash.Derivation(
            cost: .forTests, saltLength: PasswordHash.saltLength, digestLength: PasswordHash.digestLength)
        for login in ["ann", "ann@example.org", "bea", "nobody", "nobody@example.org"] {
            let derivations = Mutex<[PasswordHash.Derivation]>([])
            let observer: @Sendable (PasswordHash.Derivation) -> Void = { done in
                derivations.withLock { $0.append(done) }
            }
            try PasswordHash.$observer.withValue(observer) {
                let reply = try cluster.logIn(login, "battery staple")
                #expect(reply.fault("login") == "INVALID_LOGIN")
            }
            #expect(derivations.withLock { $0 } == [expected], "\(login)")
        }
    }

    @Test func `logging out revokes the token used and no other`() throws {
        let ann = try cluster.user("ann")
        let home = cluster.slot(ann.id.slot)
        let other = try home.command { try UserRows($0).issueToken(to: ann.id) }.signed(with: home.tokenSecret)
        home.events = []
        #expect(try cluster.call("logout", as: ann).status == 204)
        #expect(try cluster.authenticate(ann.token) == nil)
        #expect(try cluster.authenticate(other) != nil)
        guard case .tokensRevoked(let tokens)? = home.events.first?.change else {
            Issue.record("no event tells the gateways")
            return
        }
        #expect(tokens.count == 1)
        #expect(home.events.first?.root == .user(ann.id))
    }

    @Test func `the oldest token gives way when a user has a hundred`() throws {
        let ann = try cluster.user("ann")
        let home = cluster.slot(ann.id.slot)
        var texts: [String] = []
        for _ in 0..<UserRows.maximumTokens {
            home.now = home.now + .milliseconds(1)
            texts.append(
                try home.command { try UserRows($0).issueToken(to: ann.id) }.signed(with: home.tokenSecret))
        }
        #expect(try cluster.authenticate(ann.token) == nil)
        #expect(try cluster.authenticate(texts[0]) != nil)
    }

    @Test func `a forged token of a live user is nobody's`() throws {
        let ann = try cluster.user("ann")
        let forged = Token(userID: ann.id, tokenID: 42).signed(with: cluster.slot(ann.id.slot).tokenSecret)
        #expect(try cluster.authenticate(forged) == nil)
    }
}
