import Coordination
import Foundation
import Identity
import Logging
import NIOCore
import Placement
import Routing
import Slots
import Synchronization
import Testing
import Transport
import Wire

/// A folder that lives as long as the value.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "guildhall-slots-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// A shard map of which tests set the rows.
final class TestView: ClusterView {
    let held = Mutex<[Slot: ShardMapRow]>([:])

    func row(_ slot: Slot) -> ShardMapRow? { held.withLock { $0[slot] } }
    func node(_ id: NodeID) -> NodeRecord? { nil }
    var nodes: [NodeRecord] { [] }
    var rows: [ShardMapRow] { held.withLock { Array($0.values) } }
    func waitForRow(_ slot: Slot, atLeast epoch: Epoch, deadline: NIODeadline) async {}
    func changes() -> AsyncStream<ClusterChange> { AsyncStream { $0.finish() } }
}

/// Calls slots of one node, and loses answers when told to: the call has run then.
final class TestCaller: SlotCaller {
    let node = Mutex<SlotNode?>(nil)
    /// How many of the next answers are lost.
    let losses = Mutex(0)

    func call(
        _ slot: Slot, kind: SlotCall.Kind, body: ByteBuffer, requestID: RequestID?, deadline: NIODeadline
    ) async throws(SlotCallFailure) -> ByteBuffer {
        guard let node = node.withLock({ $0 }) else { throw .deadlineExceeded("no node") }
        let reply = await node.perform(
            SlotCall(slot: slot, epoch: .zero, requestID: requestID, kind: kind, body: body), deadline: deadline)
        let isLost = losses.withLock { losses in
            defer { losses = max(0, losses - 1) }
            return losses > 0
        }
        if isLost { throw .deadlineExceeded("the answer is lost") }
        guard case .done(let body) = reply else { throw .deadlineExceeded("\(reply)") }
        return body
    }
}

/// One node with some slots that serve the ``TestService``.
struct TestNode: Sendable {
    static let id = NodeID(rawValue: "guild-1")!
    static let cluster = ClusterID(rawValue: String(repeating: "c", count: 32))!
    static let slot = Slot(truncating: 7)

    let node: SlotNode
    let caller = TestCaller()
    let view = TestView()
    let clock = WallClock()
    private let coordination: TemporaryFolder
    private let coordinator: EmbeddedCoordinator

    /// - Parameter start: counts the starts on one folder from 1; each has a coordinator of its own, whose rows have
    ///   higher epochs than those of the starts before.
    init(
        _ folder: String, start: UInt64 = 1, slots: [Slot] = [slot], limits: SlotLimits = SlotLimits(),
        eventLoops: (any EventLoopGroup)? = nil, logger: Logger = TestNode.quiet,
        waits: Bool = true, new: Set<Slot> = []
    ) async throws {
        let coordination = try TemporaryFolder()
        let coordinator = try EmbeddedCoordinator(directory: coordination.path)
        self.coordination = coordination
        self.coordinator = coordinator
        var configuration = SlotNode.Configuration(
            node: TestNode.id, cluster: TestNode.cluster, folder: folder, services: TestService.registry,
            tokenSecret: TokenSecret(bytes: Array(repeating: 1, count: 32)), clock: clock,
            coordinator: coordinator, view: view, caller: caller, logger: logger)
        configuration.executors = 2
        configuration.eventLoops = eventLoops
        configuration.limits = limits
        node = try await SlotNode.open(configuration)
        caller.node.withLock { [node] in $0 = node }
        let rows = slots.map {
            ShardMapRow(
                slot: $0, epoch: Epoch(rawValue: new.contains($0) ? 1 : (start - 1) * 1000 + 1), primary: TestNode.id,
                inSync: [TestNode.id])
        }
        view.held.withLock { for row in rows { $0[row.slot] = row } }
        for row in rows {
            _ = try await coordinator.commit(
                CoordinatorTransaction(operations: [.put(CoordinatorKey.slot(row.slot), row.encoded(), lease: nil)]))
        }
        node.rowsChanged(rows)
        if waits { await node.waitUntilServing(slots) }
    }

    /// The slot is another node's, by a row of this epoch.
    func giveUp(_ slot: Slot, epoch: UInt64) {
        let other = NodeID(rawValue: "other")!
        node.rowsChanged([
            ShardMapRow(slot: slot, epoch: Epoch(rawValue: epoch), primary: other, inSync: [other])
        ])
    }

    static let quiet: Logger = {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return logger
    }()

    func close() async {
        caller.node.withLock { $0 = nil }
        await node.drain(until: .now() + .minutes(5))
        await coordinator.close()
    }

    func requestID(_ age: Duration = .zero) -> RequestID {
        RequestID(
            mintedMilliseconds: UInt64(clock.now().milliseconds - age.milliseconds), random: .random(in: 0 ... .max))
    }

    func perform(
        _ operation: String, _ parameters: [String: String] = [:], body: String = "", id: RequestID? = nil,
        slot: Slot = slot, deadline: TimeAmount = .minutes(5), actor: Actor? = nil
    ) async -> SlotReply {
        let request = RestRequest(
            operation: operation, parameters: parameters, actor: actor, body: ByteBuffer(string: body))
        return await node.perform(
            SlotCall(slot: slot, epoch: .zero, requestID: id ?? requestID(), kind: .rest, body: request.encoded()),
            deadline: .now() + deadline)
    }

    /// The answer's text; a failing test when there is none.
    func text(
        _ operation: String, _ parameters: [String: String] = [:], body: String = "", id: RequestID? = nil,
        slot: Slot = slot, status: Int = 200, actor: Actor? = nil
    ) async throws -> String {
        let reply = await perform(operation, parameters, body: body, id: id, slot: slot, actor: actor)
        guard case .done(let encoded) = reply else {
            Issue.record("\(operation): \(reply)")
            return ""
        }
        let answer = try RestReply(decoding: encoded)
        #expect(answer.status == status)
        return String(buffer: answer.body)
    }

    func counter(_ name: String, slot: Slot = slot) async throws -> Int {
        try #require(Int(try await text("get", ["name": name], slot: slot)))
    }

    /// Looks again and again until the counter has the value; the outbox and work go on by themselves.
    func reaches(_ name: String, _ value: Int, slot: Slot = slot) async throws -> Bool {
        let deadline = NIODeadline.now() + .minutes(5)
        while NIODeadline.now() < deadline {
            if try await counter(name, slot: slot) == value { return true }
            try await Task.sleep(for: .milliseconds(5))
        }
        return false
    }
}
