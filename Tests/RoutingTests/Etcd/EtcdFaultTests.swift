import Coordination
import NIOCore
import Synchronization
import Testing

@testable import EtcdCoordination

private final class Count: Sendable {
    private let count = Atomic<Int>(0)

    var value: Int { count.load(ordering: .relaxed) }
    @discardableResult func up() -> Int { count.add(1, ordering: .relaxed).newValue }
}

/// What a cluster lives through when members of its etcd die, hang or come back.
@Suite(.serialized, .enabled(if: EtcdCluster.isAvailable), .timeLimit(.minutes(5))) struct EtcdFaultTests {
    /// Counts a key up by compare-and-swap, `times` times, through whatever happens.
    ///
    /// - Returns: the increments whose outcome stayed unknown.
    private func count(_ times: Int, _ coordinator: EtcdCoordinator, confirmed: Count) async throws -> Int {
        var unknown = 0
        var done = 0
        while done < times {
            switch try await increment(coordinator) {
            case .confirmed: confirmed.up()
            case .unknown: unknown += 1
            case .lost: continue
            }
            done += 1
        }
        return unknown
    }

    private enum Increment { case confirmed, lost, unknown }

    private func increment(_ coordinator: EtcdCoordinator) async throws -> Increment {
        guard let entry = try? await coordinator.get("counter") else { return .lost }
        let value = try #require(Int(String(buffer: entry.value)))
        let transaction = CoordinatorTransaction(
            conditions: [.revision("counter", entry.revision)],
            operations: [.put("counter", ByteBuffer(string: "\(value + 1)"), lease: nil)])
        do throws(CoordinatorFailure) {
            return try await coordinator.commit(transaction) == nil ? .lost : .confirmed
        } catch {
            guard case .unavailable = error else { throw error }
            return .unknown
        }
    }

    /// Reads a watch of `counter` until it has told of `last`.
    private func watched(_ coordinator: EtcdCoordinator, after revision: UInt64, until last: String) async throws
        -> [Int]
    {
        var values: [Int] = []
        for try await change in coordinator.watch(prefix: "counter", after: revision) {
            let value = String(buffer: change.value ?? ByteBuffer())
            if value == last { break }
            values.append(try #require(Int(value)))
        }
        return values
    }

    @Test func whenTheLeaderDiesNothingConfirmedIsLostAndWatchesHaveNoGap() async throws {
        let etcd = try await EtcdCluster(members: 3)
        let coordinator = try etcd.coordinator()
        let start = try #require(try await coordinator.put("counter", "0"))
        let watch = Task { try await watched(coordinator, after: start, until: "end") }
        let confirmed = Count()
        let before = Count()
        _ = try await count(20, coordinator, confirmed: before)
        async let first = count(40, coordinator, confirmed: confirmed)
        async let second = count(40, coordinator, confirmed: confirmed)
        while confirmed.value < 20 { try await Task.sleep(for: .milliseconds(1)) }
        try await etcd.leader().kill()
        let unknown = try await first + second
        let value = try #require(Int(try await coordinator.value("counter") ?? ""))
        let sure = 20 + confirmed.value
        #expect((sure...sure + unknown).contains(value), "\(sure) confirmed, \(unknown) unknown, \(value) stored")
        _ = try await coordinator.put("counter", "end")
        #expect(try await watch.value == Array(1...value))
        await coordinator.close()
    }

    @Test func aMemberThatHangsIsLeftByCallsAndWatches() async throws {
        let etcd = try await EtcdCluster(members: 3)
        var settings = etcd.settings()
        settings.attemptTimeout = .milliseconds(400)
        settings.quietInterval = .milliseconds(200)
        let coordinator = try etcd.coordinator(settings)
        let writer = try etcd.coordinator(settings)
        let start = try #require(try await coordinator.put("k", "0"))
        let seen = Count()
        let watch = Task {
            for try await _ in coordinator.watch(prefix: "k", after: start) where seen.up() == 4 { break }
        }
        _ = try await writer.put("k", "1")
        try await until { seen.value == 1 }
        // Whichever member serves the watch, it hangs once.
        for (number, member) in etcd.members.enumerated() {
            member.pause()
            try await until {
                (try? await writer.put("k", "\(number + 2)")) != nil && seen.value > number
            }
            try await until { seen.value >= min(number + 2, 4) }
            member.resume()
            try await until { try await coordinator.get("k") != nil }
        }
        try await watch.value
        await coordinator.close()
        await writer.close()
    }

    @Test func withoutAMajorityEverythingIsUnavailableInTimeAndLaterAllIsThere() async throws {
        let etcd = try await EtcdCluster(members: 3)
        var settings = etcd.settings()
        settings.timeout = .seconds(1)
        settings.attemptTimeout = .milliseconds(500)
        settings.quietInterval = .milliseconds(200)
        let coordinator = try etcd.coordinator(settings)
        let lease = try await coordinator.grantLease(.seconds(60))
        let start = try #require(try await coordinator.put("k", "0", lease: lease))
        let watch = Task { try await take(2, of: coordinator.watch(prefix: "k", after: start)) }
        _ = try await coordinator.put("k", "1", lease: lease)
        try await until { try await coordinator.value("k") == "1" }
        // One member is left, which knows no leader; then none at all.
        for member in etcd.members[1...] { member.kill() }
        let begun = ContinuousClock.now
        for _ in 0..<2 {
            await expectUnavailable { _ = try await coordinator.get("k") }
            await expectUnavailable { _ = try await coordinator.list(prefix: "") }
            await expectUnavailable { _ = try await coordinator.put("k", "lost?") }
            await expectUnavailable { try await coordinator.keepAlive(lease) }
            etcd.members[0].kill()
        }
        #expect(begun.duration(to: .now) < .seconds(15))
        for member in etcd.members { try await member.start() }
        try await etcd.serve()
        try await coordinator.keepAlive(lease)
        _ = try await coordinator.put("k", "2", lease: lease)
        // The put without an answer may have been made.
        let changes = try await watch.value
        #expect(changes == ["k=1", "k=2"] || changes == ["k=1", "k=lost?"], "\(changes)")
        try await coordinator.revoke(lease)
        #expect(try await coordinator.get("k") == nil)
        await coordinator.close()
    }

    private func expectUnavailable(_ body: () async throws -> Void) async {
        do {
            try await body()
            Issue.record("it was answered")
        } catch {
            guard case .unavailable? = error as? CoordinatorFailure else {
                Issue.record("\(error)")
                return
            }
        }
    }

    @Test func aQuietWatchOutlivesACompactionByItsProgress() async throws {
        let etcd = try await EtcdCluster(
            members: 1, .init(arguments: ["--experimental-watch-progress-notify-interval", "100ms"]))
        let state = try await follow(etcd)
        // Not a word of the prefix has been said since the start, and that revision is gone.
        #expect(state == ["quiet/k=1"])
    }

    @Test func aWatchThatWasLeftBehindByACompactionIsTold() async throws {
        let etcd = try await EtcdCluster(members: 1)
        await #expect(throws: CoordinatorFailure.compacted) { _ = try await follow(etcd) }
    }

    /// A quiet watch, while others' changes go by, are compacted, and the member is started again.
    private func follow(_ etcd: EtcdCluster) async throws -> [String] {
        let coordinator = try etcd.coordinator()
        let other = try etcd.coordinator()
        let start = try #require(try await coordinator.put("quiet/k", "0"))
        let watch = Task { try await take(1, of: coordinator.watch(prefix: "quiet/", after: start)) }
        var last: UInt64 = 0
        for number in 0..<20 { last = try #require(try await other.put("x", "\(number)")) }
        // Some notifications' time.
        try await Task.sleep(for: .milliseconds(500))
        try await etcd.compact(at: last)
        etcd.members[0].kill()
        try await etcd.members[0].start()
        try await etcd.serve()
        _ = try await coordinator.put("quiet/k", "1")
        let changes = try await watch.value
        await coordinator.close()
        await other.close()
        return changes
    }
}
