import Domain
import Identity
import NIOCore
import Replication
import Routing
import Storage
import Transport

/// Serves those who compare replicas.
struct VerificationHandler: CallHandler {
    /// Before its caller gives up, so that it hears how far the slot is.
    private static let margin = TimeAmount.milliseconds(500)

    let node: @Sendable () -> SlotNode?

    func handle(_ call: InboundCall) async throws(CallFailure) -> ByteBuffer {
        guard let node = node() else { throw .refused("the guild role is starting") }
        let request: VerificationRequest
        do { request = try VerificationRequest(decoding: call.body) } catch {
            throw .refused("the request cannot be decoded: \(error)")
        }
        return try await answer(request, node, call.deadline).encoded()
    }

    private func answer(
        _ request: VerificationRequest, _ node: SlotNode, _ deadline: NIODeadline
    ) async throws(CallFailure) -> VerificationReply {
        switch request {
        case .index(let slot):
            guard let index = await node.appliedIndex(of: slot) else { return .absent("the slot is not in use here") }
            return .index(index)
        case .hold(let slot, let index):
            switch await node.hold(slot, at: index, until: deadline - VerificationHandler.margin) {
            case .held(let snapshot):
                guard let token = await node.heldRows.keep(snapshot) else { throw .overloaded }
                return .held(token: token, families: Family.allCases.map { "\($0)" })
            case .passed(let applied): return .passed(applied)
            case .behind(let applied): return .behind(applied)
            case .absent(let reason): return .absent(reason)
            }
        case .sum(let token, let range, let maximumRows):
            guard let snapshot = await node.heldRows.use(token) else { throw .refused("these rows are not kept") }
            guard let family = Family.allCases.first(where: { "\($0)" == range.family }) else {
                throw .refused("there is no family \(range.family)")
            }
            guard maximumRows > 0 else { throw .refused("no rows are asked for") }
            do {
                let (sum, next) = try await node.sum(snapshot, family, range, maximumRows: maximumRows)
                return .sum(RangeSum(rows: sum.rows, bytes: sum.bytes, checksum: sum.checksum), next: next)
            } catch {
                throw .refused("the rows cannot be read: \(error)")
            }
        case .release(let token):
            await node.heldRows.release(token)
            return .done
        }
    }
}

extension SlotNode {
    func appliedIndex(of slot: Slot) async -> LogIndex? {
        await withCheckedContinuation { continuation in
            host(slot).execute { continuation.resume(returning: $0.appliedIndex(of: slot)) }
        }
    }

    func hold(_ slot: Slot, at index: LogIndex, until deadline: NIODeadline) async -> HoldResult {
        await withCheckedContinuation { continuation in
            host(slot).execute { executor in
                executor.hold(slot, at: index, until: deadline) { continuation.resume(returning: $0) }
            }
        }
    }

    /// Off the executors.
    func sum(
        _ snapshot: StateSnapshot, _ family: Family, _ range: RowRange, maximumRows: Int
    ) async throws -> (sum: RowsChecksum, next: [UInt8]?) {
        try await withCheckedThrowingContinuation { continuation in
            let isTaken = environment.movers.submit(on: host(snapshot.slot).loop) {
                try snapshot.checksum(family, from: range.from, upTo: range.upTo, maximumRows: maximumRows)
            } completion: {
                continuation.resume(with: $0)
            }
            if !isTaken { continuation.resume(throwing: CallFailure.overloaded) }
        }
    }
}
