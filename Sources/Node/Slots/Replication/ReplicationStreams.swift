import Identity
import NIOCore
import Replication
import Transport
import Wire

/// An append as it came, with what its entries say of themselves; their checksums are right.
struct ReceivedAppend: Sendable {
    var append: AppendMessage
    var positions: [LogPosition]
    /// Of the last entry.
    var idMark: Snowflake?

    var head: AppendHead {
        AppendHead(
            epoch: append.epoch, previous: append.previous, commitIndex: append.commitIndex, positions: positions)
    }

    /// - Throws: ``EntryError`` when an entry is not what was written, or is another slot's.
    init(_ append: AppendMessage) throws {
        self.append = append
        positions = []
        positions.reserveCapacity(append.entries.count)
        for entry in append.entries {
            let head = try Entry.head(of: entry, verifying: true)
            guard head.slot == append.slot else { throw EntryError.malformed("an entry of slot \(head.slot)") }
            positions.append(head.position)
        }
        if let last = append.entries.last { idMark = try Entry.idMark(of: last) }
    }
}

/// What another node says of one executor's slots.
enum SlotMessage: Sendable {
    case append(ReceivedAppend)
    case reply(AppendReply)
    case handOver(Slot, Epoch)
    case admission(Slot, Epoch, life: UInt64)
}

/// Takes other guild nodes' replication streams.
struct ReplicationStreams: StreamAcceptor {
    let node: @Sendable () -> SlotNode?

    func accept(_ stream: any TransportStream, body: ByteBuffer) throws(CallFailure) -> any StreamReceiver {
        guard let node = node() else { throw .refused("the guild role is starting") }
        return ReplicationReceiver(node: node)
    }
}

private struct ReplicationReceiver: StreamReceiver {
    let node: SlotNode

    func received(_ item: ByteBuffer, on stream: any TransportStream) {
        do {
            try node.received(try ReplicationBatch(decoding: item).messages, from: stream.peer)
        } catch {
            // Nothing of it is taken: bytes that are not what was sent must not spread. The sender begins again.
            stream.close("a message cannot be taken: \(error)")
        }
        stream.consumed(1)
    }

    func closed(_ reason: String, on stream: any TransportStream) {}
}
