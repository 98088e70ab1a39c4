import Identity
import Testing

@testable import Control

/// When guild nodes are asked for their loads.
@Suite struct LoadPollerTests {
    /// Later rounds are spread over the interval, and the first is not.
    @Test func allNodesHaveAnsweredSoonAfterTheStart() async throws {
        let names = [node("guild-1"), node("guild-2"), node("guild-3")]
        let live = try await LiveControl(names, factor: 3, minimum: 2)
        var settings = LoadPoller.Settings()
        settings.interval = .seconds(3600)
        let loads = LoadPoller(view: live.router, client: live.quietNodes, settings: settings)
        let polling = Task { await loads.run() }
        defer { polling.cancel() }
        try await until { await loads.responsive == Set(names) }
    }

    @Test func aNodeThatComesLaterIsAskedInALaterRound() async throws {
        let names = [node("guild-1"), node("guild-2"), node("guild-3")]
        let live = try await LiveControl(names, factor: 3, minimum: 2)
        var settings = LoadPoller.Settings()
        settings.interval = .milliseconds(200)
        let loads = LoadPoller(view: live.router, client: live.quietNodes, settings: settings)
        let polling = Task { await loads.run() }
        defer { polling.cancel() }
        try await until { await loads.responsive == Set(names) }
        try await live.register(node("guild-4"))
        try await until { await loads.responsive.contains(node("guild-4")) }
    }
}
