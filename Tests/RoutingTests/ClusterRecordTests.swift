import Coordination
import Identity
import NIOCore
import Routing
import Testing
import Wire

@Suite(.timeLimit(.minutes(5))) struct ClusterRecordTests {
    let now = Timestamp(milliseconds: 1_795_000_000_000)

    @Test func isCreatedOnceAndReadByAll() async throws {
        let fixture = try CoordinatorFixture(.remote)
        let first = try await ClusterRecord.loadOrCreate(in: fixture.coordinator, isTest: nil, now: now)
        #expect(!first.isTest)
        #expect(first.createdAt == now)
        #expect(try await ClusterRecord.loadOrCreate(in: fixture.coordinator, isTest: nil, now: now) == first)
        #expect(try await ClusterRecord.load(from: fixture.coordinator, deadline: .now()) == first)
    }

    @Test func racingCreatorsAgree() async throws {
        let fixture = try CoordinatorFixture(.embedded)
        let records = try await withThrowingTaskGroup(of: ClusterRecord.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    try await ClusterRecord.loadOrCreate(in: fixture.coordinator, isTest: true, now: now)
                }
            }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(records.count == 1)
    }

    @Test func secretsDifferAndAreHidden() {
        let record = ClusterRecord.new(isTest: true, createdAt: now)
        let other = ClusterRecord.new(isTest: true, createdAt: now)
        #expect(record.tokenSecretBytes != other.tokenSecretBytes)
        #expect(record.id != other.id)
        let text = "\(record) \(record.tokenSecret)"
        #expect(!text.contains(record.tokenSecretBytes.map(String.init).joined(separator: ", ")))
        #expect(text.contains(record.id.rawValue))
    }

    @Test func theTestFlagCannotBeChanged() async throws {
        let fixture = try CoordinatorFixture(.embedded)
        _ = try await ClusterRecord.loadOrCreate(in: fixture.coordinator, isTest: false, now: now)
        await #expect(throws: ClusterFailure.testFlagDiffers(clusterIsTest: false)) {
            try await ClusterRecord.loadOrCreate(in: fixture.coordinator, isTest: true, now: now)
        }
    }

    @Test func aNewerFormatIsRefusedEvenIfItsFieldsAreForeign() async throws {
        let fixture = try CoordinatorFixture(.embedded)
        var writer = FieldWriter()
        writer.write(1, UInt64(2))
        writer.write(2, UInt64(99))
        _ = try await fixture.coordinator.commit(
            CoordinatorTransaction(operations: [.put(CoordinatorKey.cluster, writer.buffer, lease: nil)]))
        await #expect(throws: ClusterFailure.newerDataFormat(found: 2, supported: 1)) {
            try await ClusterRecord.load(from: fixture.coordinator, deadline: .distantFuture)
        }
    }

    @Test func garbageIsRefusedWithItsKey() async throws {
        let fixture = try CoordinatorFixture(.embedded)
        _ = try await fixture.coordinator.put(CoordinatorKey.cluster, "garbage")
        await #expect(throws: ClusterFailure.self) { try await ClusterRecord.find(in: fixture.coordinator) }
    }

    @Test func loadingWaitsForTheRouterAndThenGivesUp() async throws {
        let fixture = try CoordinatorFixture(.remote)
        await #expect(throws: ClusterFailure.notInitialised) {
            try await ClusterRecord.load(from: fixture.coordinator, deadline: .now() + .milliseconds(60))
        }
        let load = Task { try await ClusterRecord.load(from: fixture.coordinator, deadline: .distantFuture) }
        while fixture.network.calls.count < 4 { try await Task.sleep(for: .milliseconds(5)) }
        let record = try await ClusterRecord.loadOrCreate(in: fixture.embedded, isTest: nil, now: now)
        #expect(try await load.value == record)
    }
}
