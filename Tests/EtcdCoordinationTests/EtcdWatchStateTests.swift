import Coordination
import Foundation
import NIOCore
import Testing

@testable import EtcdCoordination

@Suite struct EtcdWatchStateTests {
    private var state = EtcdWatchState(after: 10, codec: EtcdCodec(prefix: "/g/"))

    private func event(_ key: String, _ revision: Int64) -> EtcdAnswer.Event {
        .init(type: nil, kv: .init(key: Data("/g/\(key)".utf8), value: nil, modRevision: WireInteger(revision)))
    }

    private func message(
        _ events: [EtcdAnswer.Event], at revision: Int64 = 100, fragment: Bool? = nil, cluster: String = "1"
    ) -> EtcdAnswer.Watch {
        .init(
            header: .init(clusterId: cluster, revision: WireInteger(revision)), fragment: fragment,
            events: events.isEmpty ? nil : events)
    }

    private mutating func keys(_ message: EtcdAnswer.Watch) throws -> [String] {
        guard case .changes(let changes) = try state.take(message) else { return ["?"] }
        return changes.map(\.key)
    }

    @Test mutating func aNewWatchBeginsBehindWhatItsConsumerHas() { #expect(state.begin() == 11) }

    @Test mutating func aStreamThatBreaksWithinARevisionIsGoneOnWithInIt() throws {
        _ = state.begin()
        #expect(try keys(message([event("a", 11), event("b", 12)], fragment: true)) == ["a", "b"])
        #expect(state.begin() == 12)
        #expect(try keys(message([event("b", 12), event("c", 12)], fragment: true)) == ["c"])
        // Twice in the same revision.
        #expect(state.begin() == 12)
        #expect(try keys(message([event("b", 12)], fragment: true)) == [])
        #expect(try keys(message([event("c", 12), event("d", 12), event("e", 13)])) == ["d", "e"])
        #expect(state.begin() == 13)
    }

    @Test mutating func aQuietWatchMovesOnWithProgress() throws {
        _ = state.begin()
        #expect(try keys(message([event("a", 11)])) == ["a"])
        #expect(try keys(message([], at: 40)) == [])
        #expect(state.begin() == 41)
        // What is later in the history is new.
        #expect(try keys(message([event("a", 41)])) == ["a"])
    }

    @Test mutating func thereIsNoProgressWithinAMessageInFragments() throws {
        _ = state.begin()
        #expect(try keys(message([event("a", 11)], at: 40, fragment: true)) == ["a"])
        #expect(try keys(message([], at: 40)) == [])
        #expect(state.begin() == 11)
    }

    @Test mutating func aJoinedMemberThatIsBehindIsAskedAbout() throws {
        _ = state.begin()
        var created = message([], at: 9)
        created.created = true
        #expect(try state.take(created) == .isBehind(at: 9))
        created.header?.revision = 10
        #expect(try state.take(created) == .changes([]))
        // What a member has when it is joined says nothing about what it has sent.
        created.header?.revision = 50
        #expect(try state.take(created) == .changes([]))
        #expect(state.begin() == 11)
    }

    @Test mutating func historyThatIsGoneOrAnothersEndsTheWatch() throws {
        _ = state.begin()
        var compacted = message([])
        compacted.canceled = true
        compacted.compactRevision = 20
        #expect(try state.take(compacted) == .compacted)
        _ = state.begin()
        #expect(try state.take(message([event("z", 90)], cluster: "2")) == .compacted)
    }

    @Test mutating func anEndByEtcdIsToldWithItsReason() throws {
        var canceled = message([])
        canceled.canceled = true
        canceled.cancelReason = "etcdserver: permission denied"
        #expect(try state.take(canceled) == .canceled("etcdserver: permission denied"))
    }
}
