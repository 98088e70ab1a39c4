import Identity
import NIOCore
import Placement
import Transport

/// Compares what the in-sync replicas of a slot hold, range by range, all at one applied index (DESIGN §6.10).
///
/// Every holder is asked to keep its rows as they are when it has applied exactly the same entries; RocksDB keeps such a
/// snapshot for little. On a slot that is written to, the index lies a little ahead, so that all can stop there. Then
/// the primary's ranges are summed up at every holder, no faster than a limit.
public struct SlotVerification: Sendable {
    public struct Limits: Sendable {
        public var rowsPerRange = 4_096
        /// Of the primary's rows; each holder reads as many.
        public var bytesPerSecond = 32 << 20
        /// How often holders are asked to stop at one index before the slot counts as too busy.
        public var attempts = 8
        /// How long a holder may take to come to an index.
        public var patience = TimeAmount.seconds(3)
        /// How long a range may take.
        public var rangePatience = TimeAmount.seconds(30)
        /// Ranges that differ after which the rest of the slot is left.
        public var differences = 32

        public init() {}
    }

    /// A range whose rows are not the same everywhere.
    public struct Difference: Hashable, Sendable {
        public var slot: Slot
        public var range: RowRange
        public var index: LogIndex
        public var sums: [NodeID: RangeSum]
    }

    public enum Outcome: Hashable, Sendable {
        case compared(Comparison)
        /// One node holds the slot: there is nothing to compare.
        case single
        /// Nothing can be said now, and why.
        case notCompared(String)
    }

    public struct Comparison: Hashable, Sendable {
        public var holders: [NodeID]
        public var index: LogIndex
        public var ranges = 0
        public var rows = 0
        public var bytes = 0
        public var differences: [Difference] = []
    }

    private struct Held {
        var address: NodeAddress
        var token: UInt64
        var families: [String]
    }

    private let view: any ClusterView
    private let client: any CallClient
    private let limits: Limits

    public init(view: any ClusterView, client: any CallClient, limits: Limits = Limits()) {
        self.view = view
        self.client = client
        self.limits = limits
    }

    public func run(_ slot: Slot) async -> Outcome {
        guard let row = view.row(slot) else { return .notCompared("the shard map has no such slot") }
        let nodes = [row.primary] + row.inSync.filter { $0 != row.primary }
        guard nodes.count > 1 else { return .single }
        var addresses: [NodeAddress] = []
        for node in nodes {
            guard let record = view.node(node) else { return .notCompared("\(node) is not registered") }
            addresses.append(NodeAddress(node: node, host: record.host, port: record.port))
        }
        do throws(Obstacle) {
            let (held, index) = try await hold(slot, at: addresses)
            let outcome: Result<Comparison, Obstacle>
            do throws(Obstacle) {
                outcome = .success(try await compare(slot, held, index))
            } catch { outcome = .failure(error) }
            await release(held)
            return .compared(try outcome.get())
        } catch {
            return .notCompared(error.reason)
        }
    }

    // MARK: At one index

    private func hold(_ slot: Slot, at addresses: [NodeAddress]) async throws(Obstacle) -> ([Held], LogIndex) {
        // How far ahead of the primary they are to stop; 0 is right when nobody writes.
        var ahead: UInt64 = 0
        var last = "the slot is too busy"
        for _ in 0..<limits.attempts {
            guard case .index(let applied) = try await ask(addresses[0], .index(slot), limits.patience) else {
                throw Obstacle(reason: "\(addresses[0].node) does not have the slot in use")
            }
            let index = LogIndex(rawValue: applied.rawValue + ahead)
            var held: [Held] = []
            var passed = false
            for (address, reply) in await askAll(addresses, .hold(slot, at: index), limits.patience + .seconds(2)) {
                switch reply {
                case .success(.held(let token, let families)):
                    held.append(Held(address: address, token: token, families: families))
                case .success(.passed): passed = true
                case .success(.behind(let at)): last = "\(address.node) is at entry \(at), not yet at \(index)"
                case .success(.absent(let reason)): last = "\(address.node): \(reason)"
                case .success: last = "\(address.node) answered something else"
                case .failure(let obstacle): last = obstacle.reason
                }
            }
            if held.count == addresses.count {
                let order = addresses.map(\.node)
                held = order.compactMap { node in held.first { $0.address.node == node } }
                return (held, index)
            }
            await release(held)
            if Task.isCancelled { break }
            if passed {
                last = "the slot is too busy"
                ahead = ahead == 0 ? 16 : min(ahead * 4, 65_536)
            } else {
                ahead = 0
                try? await Task.sleep(for: .milliseconds(200))
            }
        }
        throw Obstacle(reason: last)
    }

    private func release(_ held: [Held]) async {
        await withTaskGroup(of: Void.self) { tasks in
            for holder in held {
                tasks.addTask { _ = try? await ask(holder.address, .release(token: holder.token), limits.patience) }
            }
        }
    }

    // MARK: Range by range

    private func compare(_ slot: Slot, _ held: [Held], _ index: LogIndex) async throws(Obstacle) -> Comparison {
        var comparison = Comparison(holders: held.map(\.address.node), index: index)
        let clock = ContinuousClock()
        let begun = clock.now
        for family in held[0].families {
            var from: [UInt8]? = []
            while let begin = from, comparison.differences.count < limits.differences {
                guard !Task.isCancelled else { throw Obstacle(reason: "stopped") }
                var range = RowRange(family: family, from: begin, upTo: nil)
                let (own, next) = try await sum(held[0], range)
                range.upTo = next
                var sums = [held[0].address.node: own]
                for (node, sum) in try await otherSums(of: range, at: held.dropFirst()) { sums[node] = sum }
                if Set(sums.values).count > 1 {
                    comparison.differences.append(Difference(slot: slot, range: range, index: index, sums: sums))
                }
                comparison.ranges += 1
                comparison.rows += own.rows
                comparison.bytes += own.bytes
                from = next
                // Behind the limit by what has been read: wait.
                let earliest = begun + .seconds(Double(comparison.bytes) / Double(max(1, limits.bytesPerSecond)))
                if earliest > clock.now { try? await Task.sleep(until: earliest, clock: clock) }
            }
        }
        return comparison
    }

    private func otherSums(
        of range: RowRange, at held: ArraySlice<Held>
    ) async throws(Obstacle) -> [(NodeID, RangeSum)] {
        let results = await withTaskGroup(of: Result<(NodeID, RangeSum), Obstacle>.self) { tasks in
            for holder in held {
                tasks.addTask {
                    do throws(Obstacle) {
                        let sum = try await sum(holder, range).sum
                        return .success((holder.address.node, sum))
                    } catch { return .failure(error) }
                }
            }
            var results: [Result<(NodeID, RangeSum), Obstacle>] = []
            for await result in tasks { results.append(result) }
            return results
        }
        var sums: [(NodeID, RangeSum)] = []
        for result in results { sums.append(try result.get()) }
        return sums
    }

    /// The primary's range has so many rows at most; another's may have some more, and differs then.
    private func sum(_ holder: Held, _ range: RowRange) async throws(Obstacle) -> (sum: RangeSum, next: [UInt8]?) {
        let rows = range.upTo == nil ? limits.rowsPerRange : limits.rowsPerRange * 4
        let request = VerificationRequest.sum(token: holder.token, range, maximumRows: rows)
        guard case .sum(let sum, let next) = try await ask(holder.address, request, limits.rangePatience) else {
            throw Obstacle(reason: "\(holder.address.node) has not kept the rows")
        }
        return (sum, next)
    }

    // MARK: Calls

    private struct Obstacle: Error {
        var reason: String
    }

    private func askAll(
        _ addresses: [NodeAddress], _ request: VerificationRequest, _ patience: TimeAmount
    ) async -> [(NodeAddress, Result<VerificationReply, Obstacle>)] {
        await withTaskGroup(of: (NodeAddress, Result<VerificationReply, Obstacle>).self) { tasks in
            for address in addresses {
                tasks.addTask {
                    do throws(Obstacle) {
                        let reply = try await ask(address, request, patience)
                        return (address, .success(reply))
                    } catch { return (address, .failure(error)) }
                }
            }
            var replies: [(NodeAddress, Result<VerificationReply, Obstacle>)] = []
            for await reply in tasks { replies.append(reply) }
            return replies
        }
    }

    private func ask(
        _ address: NodeAddress, _ request: VerificationRequest, _ patience: TimeAmount
    ) async throws(Obstacle) -> VerificationReply {
        do {
            let body = try await client.call(
                .verify, body: request.encoded(), to: address, lane: .bulk, deadline: .now() + patience)
            return try VerificationReply(decoding: body)
        } catch {
            throw Obstacle(reason: "\(address.node): \(error)")
        }
    }
}
