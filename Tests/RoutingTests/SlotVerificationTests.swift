import Identity
import NIOCore
import Placement
import Synchronization
import Testing
import Transport
import Wire

@testable import Routing

/// Nodes that hold one slot's rows in memory; an entry is applied whenever one of them is asked for its index.
private final class Holders: CallClient {
    struct Node {
        var rows: [String: [[UInt8]: String]]
        var applied: UInt64 = 100
        /// How far it comes by itself each time that anything is asked of any node.
        var pace: UInt64 = 0
        var held: [UInt64: [String: [[UInt8]: String]]] = [:]
        var isAbsent = false
    }

    let nodes: Mutex<[NodeID: Node]>

    init(_ nodes: [NodeID: Node]) { self.nodes = Mutex(nodes) }

    var holding: Int { nodes.withLock { $0.values.reduce(0) { $0 + $1.held.count } } }

    func call(
        _ method: CallMethod, body: ByteBuffer, to address: NodeAddress, lane: Lane, deadline: NIODeadline
    ) async throws(CallFailure) -> ByteBuffer {
        guard method == .verify, lane == .bulk, let request = try? VerificationRequest(decoding: body) else {
            throw .unknownMethod
        }
        while true {
            let reply = nodes.withLock { nodes -> VerificationReply? in
                for id in nodes.keys { nodes[id]!.applied += nodes[id]!.pace }
                return Holders.answer(request, &nodes[address.node]!)
            }
            if let reply { return reply.encoded() }
            await Task.yield()
        }
    }

    /// `nil` while it waits for an index.
    private static func answer(_ request: VerificationRequest, _ node: inout Node) -> VerificationReply? {
        if node.isAbsent { return .absent("it is loading") }
        switch request {
        case .index: return .index(LogIndex(rawValue: node.applied))
        case .hold(_, let index):
            guard node.applied <= index.rawValue else { return .passed(LogIndex(rawValue: node.applied)) }
            guard node.applied == index.rawValue || node.pace > 0 else {
                return .behind(LogIndex(rawValue: node.applied))
            }
            // The way that is left is gone to the entry.
            node.applied = index.rawValue
            let token = UInt64.random(in: .min ... .max)
            node.held[token] = node.rows
            return .held(token: token, families: ["guild", "message"])
        case .sum(let token, let range, let maximumRows):
            guard let rows = node.held[token]?[range.family] else { return .absent("nothing is kept") }
            let keys = rows.keys.filter { key in
                !key.lexicographicallyPrecedes(range.from)
                    && range.upTo.map { key.lexicographicallyPrecedes($0) } ?? true
            }.sorted { $0.lexicographicallyPrecedes($1) }
            let taken = keys.prefix(maximumRows)
            var hash: UInt32 = 5381
            for key in taken {
                for byte in key + Array(rows[key]!.utf8) { hash = hash &* 33 &+ UInt32(byte) }
            }
            let sum = RangeSum(rows: taken.count, bytes: taken.count * 2, checksum: hash)
            return .sum(sum, next: keys.count > maximumRows ? keys[maximumRows] : nil)
        case .release(let token):
            node.held[token] = nil
            return .done
        }
    }

    func openStream(
        _ method: CallMethod, body: ByteBuffer, to address: NodeAddress, lane: Lane, receiver: any StreamReceiver
    ) async throws(CallFailure) -> any TransportStream { throw .unknownMethod }
}

private struct FixedView: ClusterView {
    var rows: [ShardMapRow]
    var nodes: [NodeRecord]

    func row(_ slot: Slot) -> ShardMapRow? { rows.first { $0.slot == slot } }
    func node(_ id: NodeID) -> NodeRecord? { nodes.first { $0.id == id } }
    func waitForRow(_ slot: Slot, atLeast epoch: Epoch, deadline: NIODeadline) async {}
    func changes() -> AsyncStream<ClusterChange> { AsyncStream { $0.finish() } }
}

@Suite(.timeLimit(.minutes(2))) struct SlotVerificationTests {
    private let slot = Slot(truncating: 5)
    private let ids = ["a", "b", "c"].map { NodeID(rawValue: $0)! }

    private func rows(_ count: Int) -> [String: [[UInt8]: String]] {
        var messages: [[UInt8]: String] = [:]
        for number in 0..<count { messages[[UInt8(number / 256), UInt8(number % 256)]] = "row \(number)" }
        return ["guild": [[7]: "guild"], "message": messages]
    }

    private func verification(_ holders: Holders, inSync: [NodeID]? = nil) -> SlotVerification {
        let row = ShardMapRow(slot: slot, epoch: Epoch(rawValue: 1), primary: ids[0], inSync: inSync ?? ids)
        let records = ids.map { NodeRecord(id: $0, roles: [.guild], host: "h", port: 1) }
        var limits = SlotVerification.Limits()
        limits.rowsPerRange = 10
        return SlotVerification(view: FixedView(rows: [row], nodes: records), client: holders, limits: limits)
    }

    private func holders(_ change: (inout [NodeID: Holders.Node]) -> Void = { _ in }) -> Holders {
        var nodes: [NodeID: Holders.Node] = [:]
        for id in ids { nodes[id] = Holders.Node(rows: rows(95)) }
        change(&nodes)
        return Holders(nodes)
    }

    private func comparison(_ outcome: SlotVerification.Outcome) throws -> SlotVerification.Comparison {
        guard case .compared(let comparison) = outcome else {
            Issue.record("\(outcome)")
            throw CancellationError()
        }
        return comparison
    }

    @Test func equalReplicasAreFoundEqualAndNothingStaysHeld() async throws {
        let holders = holders()
        let found = try comparison(await verification(holders).run(slot))
        #expect(found.differences == [])
        #expect(found.holders == ids)
        #expect(found.rows == 96)
        #expect(found.ranges == 11)
        #expect(found.index == LogIndex(rawValue: 100))
        #expect(holders.holding == 0)
    }

    @Test(arguments: ["changed", "missing", "surplus", "last"]) func aRowThatDiffersIsFoundInItsRange(what: String)
        async throws
    {
        let holders = holders { nodes in
            switch what {
            case "changed": nodes[ids[2]]!.rows["message"]![[0, 33]] = "else"
            case "missing": nodes[ids[2]]!.rows["message"]![[0, 33]] = nil
            case "surplus": nodes[ids[2]]!.rows["message"]![[0, 33, 1]] = "more"
            default: nodes[ids[2]]!.rows["message"]![[0, 200]] = "more"
            }
        }
        let found = try comparison(await verification(holders).run(slot))
        let difference = try #require(found.differences.first)
        #expect(found.differences.count == 1)
        #expect(difference.range.family == "message")
        #expect(difference.range.from == (what == "last" ? [0, 90] : [0, 30]))
        #expect(difference.range.upTo == (what == "last" ? nil : [0, 40]))
        #expect(difference.sums[ids[0]] == difference.sums[ids[1]])
        #expect(difference.sums[ids[0]] != difference.sums[ids[2]])
        #expect(holders.holding == 0)
    }

    @Test func aSlotThatIsWrittenToIsComparedAtAnIndexAhead() async throws {
        let holders = holders { nodes in for id in ids { nodes[id]!.pace = 3 } }
        let found = try comparison(await verification(holders).run(slot))
        #expect(found.index > LogIndex(rawValue: 100))
        #expect(found.differences == [])
        #expect(holders.holding == 0)
    }

    @Test func aReplicaThatDoesNotComeToTheIndexIsSaid() async {
        let holders = holders { $0[ids[1]]!.applied = 90 }
        #expect(await verification(holders).run(slot) == .notCompared("b is at entry 90, not yet at 100"))
        #expect(holders.holding == 0)
    }

    @Test func aReplicaThatIsNotInUseIsSaid() async {
        let holders = holders { $0[ids[1]]!.isAbsent = true }
        #expect(await verification(holders).run(slot) == .notCompared("b: it is loading"))
        #expect(holders.holding == 0)
    }

    @Test func aSlotWithOneHolderHasNothingToCompare() async {
        #expect(await verification(holders(), inSync: [ids[0]]).run(slot) == .single)
    }

    @Test func theMessagesComeOutAsTheyWentIn() throws {
        let range = RowRange(family: "guild", from: [], upTo: [1, 2])
        let requests: [VerificationRequest] = [
            .index(slot), .hold(slot, at: LogIndex(rawValue: 9)), .sum(token: 7, range, maximumRows: 3),
            .sum(token: 7, RowRange(family: "guild", from: [5], upTo: nil), maximumRows: 3), .release(token: 7),
        ]
        for request in requests { #expect(try VerificationRequest(decoding: request.encoded()) == request) }
        let replies: [VerificationReply] = [
            .index(LogIndex(rawValue: 9)), .held(token: 7, families: ["guild", "meta"]),
            .passed(LogIndex(rawValue: 9)), .behind(LogIndex(rawValue: 9)), .absent("why"),
            .sum(RangeSum(rows: 1, bytes: 2, checksum: 3), next: nil),
            .sum(RangeSum(rows: 1, bytes: 2, checksum: 3), next: [4]), .done,
        ]
        for reply in replies { #expect(try VerificationReply(decoding: reply.encoded()) == reply) }
    }
}
