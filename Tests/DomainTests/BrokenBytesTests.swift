import Domain
import DomainTesting
import Identity
import NIOCore
import Testing
import Wire

/// Effects and work, which stand in log entries and stored rows: broken bytes give a value or an error.
@Suite struct BrokenBytesTests {
    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func whateverTheBytesAreDecodingEnds(seed: UInt64) throws {
        let user = UserID(rawValue: .max)
        let guild = GuildID(rawValue: 1 << 62)
        let profile = UserProfile(id: user, username: "ann", globalName: "Ann", isBot: true, version: 9)
        let effects: [Effect] = [
            .membershipAdded(user: user, guild: guild, joinedAt: Timestamp(milliseconds: .max)),
            .membershipRemoved(user: user, guild: guild), .profileChanged(guild: guild, profile: profile),
            .claimName(.username("ann"), owner: user), .releaseName(.email("a@b.c"), owner: user),
            .nameAnswered(.username("ann"), owner: user, isGranted: true),
        ]
        let work: [Work] = [.deleteGuild(guild, after: user), .announceProfile(user, after: guild)]
        var mutations = Mutations(seed: seed)
        for effect in effects {
            for _ in 0..<1000 {
                // What decodes is a value like any other: it can be written and read again.
                guard let value = try? Effect(decoding: mutations.next(of: effect.encoded())) else { continue }
                #expect(try Effect(decoding: value.encoded()) == value, "seed \(seed)")
            }
        }
        for work in work {
            for _ in 0..<1000 {
                guard let value = try? Work(decoding: mutations.next(of: work.encoded())) else { continue }
                #expect(try Work(decoding: value.encoded()) == value, "seed \(seed)")
            }
        }
    }
}
