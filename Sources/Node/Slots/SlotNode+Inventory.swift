import Identity
import NIOCore
import Placement
import Routing
import Storage
import Transport
import Wire

/// Serves `inventory` calls: anything in, a ``NodeInventory`` out.
struct InventoryHandler: CallHandler {
    let node: @Sendable () -> SlotNode?

    func handle(_ call: InboundCall) async throws(CallFailure) -> ByteBuffer {
        guard let node = node() else { throw .refused("the guild role is starting") }
        do { return try await node.inventory().encoded() } catch {
            throw .refused("the disk cannot be read: \(error)")
        }
    }
}

extension SlotNode {
    /// What the disk knows of all slots.
    func inventory() async throws -> NodeInventory {
        try await read { store in
            NodeInventory(
                cluster: store.identity.cluster.rawValue, store: "\(store.identity.store)",
                slots: try store.slotInventory())
        }
    }

    /// How many slots this disk holds.
    ///
    /// - Parameter isHasty: somebody waits for it, so it does not rest.
    func heldSlots(isHasty: Bool) async throws -> Int {
        try await read { store in
            try store.slotInventory(isHasty: isHasty).count { $0.isSound || $0.lastIndex > .zero }
        }
    }
}

extension Store {
    /// Each slot of which the disk has anything. Blocks for the time of some thousand reads.
    ///
    /// - Parameter isHasty: somebody waits for it, so it does not rest.
    func slotInventory(isHasty: Bool = true) throws -> [SlotInventory] {
        var work = RestingWork()
        let epochs = try log.knownEpochs()
        let rows = try log.knownRows()
        let markers = try log.markers()
        return try Slot.all.compactMap { slot in
            work.step(isHasty: isHasty)
            var found = SlotInventory(slot: slot, knownEpoch: epochs[slot].flatMap { $0 > .zero ? $0 : nil })
            found.row = try rows[slot].map { try ShardMapRow(decoding: $0) }
            if let marker = markers[slot] { found.damage = "it is marked: \(marker)" }
            do {
                let last = try log.last(slot)
                let applied = try state.applied(slot)
                (found.lastEpoch, found.lastIndex) = (applied.epoch, applied.index)
                if let last, last.index >= applied.index {
                    (found.lastEpoch, found.lastIndex) = (last.epoch, last.index)
                }
            } catch let failure as StorageFailure where failure.isLocal {
                found.damage = "\(failure)"
            }
            let isEmpty = found.highestEpoch == .zero && found.lastIndex == .zero && found.damage == nil
            return isEmpty ? nil : found
        }
    }
}
