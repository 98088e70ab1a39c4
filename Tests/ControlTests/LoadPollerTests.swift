import Identity
import Testing

@testable import Control

/// When guild nodes are asked for their loads.
@Suite(.timeLimit(.minutes(5))) struct LoadPollerTests {
    private let names = [node("guild-1"), node("guild-2"), node("guild-3")]

    private func withLoads(
        every interval: Duration, _ body: (LiveControl, LoadPoller) async throws -> Void
    ) async throws {
        let live = try await LiveControl(names, factor: 3, minimum: 2)
        var settings = LoadPoller.Settings()
        settings.interval = interval
        let loads = LoadPoller(view: live.router, client: live.quietNodes, settings: settings)
        let polling = Task { await loads.run() }
        defer { polling.cancel() }
        try await until { await loads.responsive == Set(names) }
        try await body(live, loads)
    }

    /// Later rounds are spread over the interval, and the first is not: it would not end in this test's time.
    @Test func allNodesHaveAnsweredSoonAfterTheStart() async throws {
        try await withLoads(every: .seconds(36_000)) { _, loads in
            #expect(await loads.book.heardSince(.zero) == Set(names))
        }
    }

    @Test func aNodeThatComesLaterIsAskedInALaterRound() async throws {
        try await withLoads(every: .milliseconds(200)) { live, loads in
            try await live.register(node("guild-4"))
            try await until { await loads.responsive.contains(node("guild-4")) }
        }
    }
}
