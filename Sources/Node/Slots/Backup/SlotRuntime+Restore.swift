import Domain
import Identity
import NIOCore
import Replication
import Wire

/// Loading the slot from a backup: as commands of its own, so that what is loaded is replicated like everything else.
extension SlotRuntime {
    func restore(_ body: ByteBuffer, complete: @escaping (SlotReply) -> Void) {
        let marker: RestoreMarker
        do {
            let step = try RestoreStep(decoding: body)
            let transaction = makeTransaction()
            let known = try transaction.get(.meta, MetaRows.restored).map { try RestoreMarker(decoding: $0) }
            if let known, known.backup != step.marker.backup {
                throw RestoreRefusal(reason: "slot \(slot) was restored from the backup \(known.backup)")
            }
            marker = try carryOut(step, known, in: transaction)
            if transaction.hasChanges {
                caches.removeAll()
                try propose(transaction)
            }
        } catch let refusal as RestoreRefusal {
            return complete(.refused(refusal.reason))
        } catch let refusal as PrimarySlot.Refusal {
            return complete(.unavailable("\(refusal)"))
        } catch {
            logger.error("a step of a restore failed", metadata: ["error": "\(error)"])
            return complete(.refused("a step of a restore failed: \(error)"))
        }
        whenApplied(through: lastIndex) { failure in complete(failure ?? .done(marker.encoded())) }
    }

    private func carryOut(
        _ step: RestoreStep, _ known: RestoreMarker?, in transaction: CommandTransaction
    ) throws -> RestoreMarker {
        if step.stage == .begin {
            if let known { return known }
            try refuseUnlessEmpty(transaction)
            transaction.put(.meta, MetaRows.restored, step.marker.encoded())
            return step.marker
        }
        guard var marker = known else { throw RestoreRefusal(reason: "the restore of slot \(slot) has not begun") }
        switch (step.stage, marker.state) {
        case (.load, .loading): try load(try Entry(decoding: step.entry), in: transaction)
        case (.loaded, .loading):
            marker.state = .loaded
            transaction.put(.meta, MetaRows.restored, marker.encoded())
        case (.finish, .loaded):
            let (from, upTo) = MetaRows.restoredWork
            try transaction.scan(.meta, from: from, upTo: upTo, reverse: false) { _, value in
                transaction.schedule(try Work(decoding: value))
                return true
            }
            transaction.deleteRange(.meta, from: from, upTo: upTo)
            transaction.deleteRange(.meta, from: MetaRows.allRestoredOutbox.from, upTo: MetaRows.allRestoredOutbox.upTo)
            marker.state = .done
            transaction.put(.meta, MetaRows.restored, marker.encoded())
        case (.load, _), (.loaded, _), (.finish, .done): break
        case (.finish, _), (.begin, _):
            throw RestoreRefusal(reason: "the restore of slot \(slot) cannot be finished while it is \(marker.state)")
        }
        return marker
    }

    private func refuseUnlessEmpty(_ transaction: CommandTransaction) throws {
        for family in [Family.guild, .message, .user, .index] {
            try transaction.scan(family, from: [], upTo: MetaRows.pastAllKeys, reverse: false) { _, _ in
                throw RestoreRefusal(reason: "slot \(slot) is not empty: a backup is restored into a new cluster only")
            }
        }
    }

    private func load(_ entry: Entry, in transaction: CommandTransaction) throws {
        for operation in entry.operations {
            switch operation {
            case .put(let family, let key, let value):
                transaction.put(try restorable(family, key), key, value)
            case .delete(let family, let key): transaction.delete(try restorable(family, key), key)
            case .deleteRange(let family, let from, let upTo):
                transaction.deleteRange(try restorable(family, from), from: from, upTo: upTo)
            }
        }
        transaction.raise(to: entry.idMark)
    }

    private func restorable(_ number: UInt8, _ key: [UInt8]) throws -> Family {
        guard let family = Family(rawValue: number), family != .meta || MetaRows.isRestorable(key) else {
            throw RestoreRefusal(reason: "a row of family \(number) that a restore does not write")
        }
        return family
    }
}

private struct RestoreRefusal: Error {
    var reason: String
}
