import Coordination
import Domain
import Foundation
import Identity
import Logging
import NIOCore
import Placement
import Routing
import Slots
import Synchronization
import Wire

/// How many durable commands a second the slots' runtime takes, without network and JSON: `WRITERS` concurrent callers
/// (64), each writing a row of `ROW` bytes (350) into one of `SLOTS` slots (64), for `SECONDS` (5).
@main
struct SlotWrites {
    static func number(_ name: String, _ standard: Int) -> Int {
        ProcessInfo.processInfo.environment[name].flatMap { Int($0) } ?? standard
    }

    static func main() async throws {
        let writers = number("WRITERS", 64)
        let slots = Slot.all.prefix(number("SLOTS", 64)).map { $0 }
        let row = ByteBuffer(repeating: 120, count: number("ROW", 350))
        let folder = ProcessInfo.processInfo.environment["DATA"] ?? "/tmp/slot-writes-\(getpid())"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var logger = Logger(label: "bench")
        logger.logLevel = .warning
        let view = EmptyView()
        let coordinator = try EmbeddedCoordinator(directory: folder + ".coordinator")
        defer { try? FileManager.default.removeItem(atPath: folder + ".coordinator") }
        let configuration = SlotNode.Configuration(
            node: view.id, cluster: ClusterID(verified: String(repeating: "a", count: 32)), folder: folder,
            services: ServiceRegistry(
                [WriteService.self], authenticate: { _, _ in AuthenticateReply(actor: nil) },
                profile: { _, _ in nil }),
            tokenSecret: TokenSecret(bytes: Array(repeating: 1, count: 32)), clock: WallClock(),
            coordinator: coordinator, view: view, caller: view, logger: logger)
        let node = try await SlotNode.open(configuration)
        let rows = slots.map {
            ShardMapRow(slot: $0, epoch: Epoch(rawValue: 1), primary: view.id, inSync: [view.id])
        }
        for row in rows {
            _ = try await coordinator.commit(
                CoordinatorTransaction(operations: [.put(CoordinatorKey.slot(row.slot), row.encoded(), lease: nil)]))
        }
        node.rowsChanged(rows)
        await node.waitUntilServing(slots)
        let body = RestRequest(operation: "write", body: row).encoded()
        let seconds = number("SECONDS", 5)
        let began = ContinuousClock.now
        let end = began + .seconds(seconds)
        let total = await withTaskGroup(of: Int.self) { tasks in
            for writer in 0..<writers {
                tasks.addTask {
                    var count = 0
                    while ContinuousClock.now < end {
                        let id = RequestID(
                            mintedMilliseconds: UInt64(configuration.clock.now().milliseconds),
                            random: .random(in: 0 ... .max))
                        let call = SlotCall(
                            slot: slots[writer % slots.count], epoch: .zero, requestID: id, kind: .rest, body: body)
                        guard case .done = await node.perform(call, deadline: .now() + .seconds(10)) else {
                            print("a command was refused")
                            exit(1)
                        }
                        count += 1
                    }
                    return count
                }
            }
            var total = 0
            for await count in tasks { total += count }
            return total
        }
        let elapsed = (ContinuousClock.now - began) / .seconds(1)
        print(
            "\(writers) writers, \(slots.count) slots, \(row.readableBytes) B: \(Int(Double(total) / elapsed)) commands/s"
        )
        await node.drain(until: .now() + .seconds(10))
        await coordinator.close()
    }
}

/// Writes the request's body under a new id.
enum WriteService: SlotService {
    static let operations: [String: OperationHandler] = [
        "write": { request, transaction in
            let id = try transaction.mint()
            transaction.put(.message, Array("\(id)".utf8), request.body)
            return .reply(RestReply(status: 200, body: ByteBuffer(string: "\(id)")))
        }
    ]

    static func apply(_ effect: Effect, in transaction: any SlotTransaction) throws -> Bool { false }
    static func perform(_ work: Work, in transaction: any SlotTransaction) throws -> Bool { false }
    static func snapshot(of root: RootEntity, for user: UserID, in transaction: any SlotTransaction) throws
        -> ByteBuffer?
    { nil }
}

/// A cluster of nobody else.
final class EmptyView: ClusterView, SlotCaller {
    /// The name is a valid one.
    let id = NodeID(rawValue: "bench")!

    func row(_ slot: Slot) -> ShardMapRow? { nil }
    func node(_ id: NodeID) -> NodeRecord? { nil }
    var nodes: [NodeRecord] { [] }
    var rows: [ShardMapRow] { [] }
    func waitForRow(_ slot: Slot, atLeast epoch: Epoch, deadline: NIODeadline) async {}
    func changes() -> AsyncStream<ClusterChange> { AsyncStream { $0.finish() } }

    func call(
        _ slot: Slot, kind: SlotCall.Kind, body: ByteBuffer, requestID: RequestID?, deadline: NIODeadline
    ) async throws(SlotCallFailure) -> ByteBuffer { throw .refused("there is no other slot") }
}
