import Domain
import DomainTesting
import Identity
import NIOCore
import Testing
import Wire

@testable import User

/// Stored rows of users with broken bytes: a command gives an answer or an error of the store, and the process lives.
@Suite(.cheapHashes) struct BrokenRowTests {
    @Test(arguments: [1, 2, 3] as [UInt64])
    func `whatever a row holds, an operation ends with an answer or an error`(seed: UInt64) throws {
        let cluster = TestCluster()
        let reply = try cluster.call(TestCluster.registration("ann"), at: Slot(truncating: 5))
        let ann = TestCluster.RegisteredUser(id: try reply.id("user_id"), token: try reply.text("token"))
        let home = cluster.slot(ann.id.slot)
        let actor = try #require(try cluster.authenticate(ann.token))
        var rows: [(key: [UInt8], value: ByteBuffer)] = []
        try home.scan(.user, from: [], upTo: [UInt8](repeating: 255, count: 32), reverse: false) {
            rows.append(($0, $1))
            return true
        }
        let calls = [
            ("get_my_user", ""), ("list_my_guild_ids", ""), ("get_my_application", ""), ("logout", ""),
            ("update_my_user", #"{"global_name":"A"}"#), ("login", #"{"login":"ann","password":"correct horse"}"#),
        ]
        var mutations = Mutations(seed: seed)
        var errors = 0
        for row in rows {
            for _ in 0..<100 {
                let broken = mutations.next(of: row.value)
                for (operation, body) in calls {
                    home.caches.removeAll()
                    let request = RestRequest(
                        operation: operation, parameters: ["user_id": ann.id.description], actor: actor,
                        body: ByteBuffer(string: body))
                    do {
                        try home.trial {
                            home.put(.user, row.key, broken)
                            let reply = try home.call(request, of: UserService.self)
                            #expect((200..<600).contains(reply.status), "seed \(seed), \(operation), \(broken)")
                            _ = try UserService.snapshot(of: .user(ann.id), for: ann.id, in: home)
                        }
                    } catch { errors += 1 }
                }
            }
        }
        #expect(errors > 100, "seed \(seed)")
    }
}
