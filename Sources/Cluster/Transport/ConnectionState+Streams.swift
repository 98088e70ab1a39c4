import NIOCore
import Wire

/// One stream of a connection: its credit in both directions and what waits for it.
struct StreamState {
    /// The other side has accepted it; it is open.
    var isAccepted: Bool
    /// Items that we may still send.
    var credit: UInt64
    /// Items that the other side may still send.
    var granted: UInt64
    /// Items that wait for credit; the shell bounds them before they come here.
    var queue: ItemQueue = ItemQueue()
}

/// First in, first out, without moving items.
struct ItemQueue {
    private var items: [ByteBuffer] = []
    private var head = 0

    var isEmpty: Bool { head == items.count }

    mutating func append(_ item: ByteBuffer) { items.append(item) }

    mutating func popFirst() -> ByteBuffer? {
        guard head < items.count else { return nil }
        let item = items[head]
        items[head] = ByteBuffer()
        head += 1
        if head == items.count || (head >= 256 && head * 2 >= items.count) {
            items.removeFirst(head)
            head = 0
        }
        return item
    }
}

extension ConnectionState {
    /// Asks the peer for a stream.
    mutating func openStream(
        _ method: CallMethod, body: ByteBuffer, trace: [String: String]
    ) throws(CallFailure) -> UInt64 {
        let lane = try readyLane(for: method)
        guard body.readableBytes <= lane.maximumBodyLength else { throw .refused("the opening body is too long") }
        guard streams.count < limits.streams else { throw .overloaded }
        lastOpenedID += 1
        let id = lastOpenedID
        let window = UInt64(limits.streamWindow)
        streams[id] = StreamState(isAccepted: false, credit: 0, granted: window)
        let head = RequestHead(method: method.rawValue, credit: window, trace: trace)
        output.append(.open, streamID: id, body: body) { head.encode(into: &$0) }
        return id
    }

    mutating func receiveOpen(_ frame: Frame) throws {
        let head = try RequestHead(decoding: frame.fields)
        try acceptID(frame.streamID)
        if isDraining { return sendFailure(frame.streamID, .unreachable("draining")) }
        guard streams.count < limits.streams else { return sendFailure(frame.streamID, .overloaded) }
        guard isSpoken(head) else { return sendFailure(frame.streamID, .unknownMethod) }
        streams[frame.streamID] = StreamState(isAccepted: false, credit: head.credit, granted: 0)
        act(.streamOffered(frame.streamID, head, frame.body))
    }

    /// Accepts a stream that the peer offered.
    mutating func acceptStream(_ id: UInt64) {
        guard streams[id] != nil else { return }
        let window = UInt64(limits.streamWindow)
        streams[id]?.isAccepted = true
        streams[id]?.granted = window
        output.append(.accepted, streamID: id) { Credit(items: window).encode(into: &$0) }
        pump(id)
    }

    mutating func rejectStream(_ id: UInt64, _ failure: CallFailure) {
        guard streams.removeValue(forKey: id) != nil else { return }
        sendFailure(id, failure)
        closeIfDrained()
    }

    mutating func receiveAccepted(_ frame: Frame) throws {
        let credit = try Credit(decoding: frame.fields)
        guard let stream = streams[frame.streamID] else { return }
        guard !stream.isAccepted, case .dialling = handshake.role else {
            throw ProtocolViolation(reason: "stream \(frame.streamID) accepted twice")
        }
        streams[frame.streamID]?.isAccepted = true
        streams[frame.streamID]?.credit = credit.items
        act(.streamAccepted(frame.streamID))
        pump(frame.streamID)
    }

    /// Queues an item that the shell has counted against the stream's bounds.
    mutating func send(_ item: ByteBuffer, on id: UInt64) {
        streams[id]?.queue.append(item)
        pump(id)
    }

    /// Sends what credit allows.
    private mutating func pump(_ id: UInt64) {
        guard var stream = streams[id], stream.isAccepted else { return }
        // The dictionary lets go of the queue while it is changed, so that it is not copied.
        streams[id] = nil
        var items = 0
        var bytes = 0
        while stream.credit > 0, let item = stream.queue.popFirst() {
            output.append(.item, streamID: id, body: item)
            stream.credit -= 1
            items += 1
            bytes += item.readableBytes
        }
        streams[id] = stream
        if items > 0 { act(.streamSent(id, items: items, bytes: bytes)) }
    }

    mutating func receiveItem(_ frame: Frame) throws {
        // A stream that we closed: what was under way is dropped.
        guard let stream = streams[frame.streamID] else { return }
        guard stream.granted > 0 else {
            throw ProtocolViolation(reason: "stream \(frame.streamID) exceeds its credit")
        }
        streams[frame.streamID]?.granted -= 1
        act(.streamReceived(frame.streamID, frame.body))
    }

    /// Lets the peer send `items` more.
    mutating func grant(_ items: Int, on id: UInt64) {
        guard items > 0, let stream = streams[id] else { return }
        // Never beyond the window, whatever the caller counted.
        let room = UInt64(limits.streamWindow) - min(stream.granted, UInt64(limits.streamWindow))
        let granted = min(UInt64(items), room)
        guard granted > 0 else { return }
        streams[id]?.granted += granted
        output.append(.credit, streamID: id) { Credit(items: granted).encode(into: &$0) }
    }

    mutating func receiveCredit(_ frame: Frame) throws {
        let credit = try Credit(decoding: frame.fields)
        guard let stream = streams[frame.streamID] else { return }
        let (sum, overflow) = stream.credit.addingReportingOverflow(credit.items)
        guard !overflow else { throw ProtocolViolation(reason: "credit overflows") }
        streams[frame.streamID]?.credit = sum
        pump(frame.streamID)
    }

    /// Closes a stream; items that wait for credit are dropped.
    ///
    /// - Parameter notify: whether the shell is told by ``Action/streamClosed(_:_:)``.
    mutating func closeStream(_ id: UInt64, reason: String, notify: Bool) {
        guard let stream = streams.removeValue(forKey: id) else { return }
        let farewell = Farewell(reason: reason)
        output.append(.close, streamID: id) { farewell.encode(into: &$0) }
        if notify { act(stream.isAccepted ? .streamClosed(id, reason) : .streamRejected(id, .unreachable(reason))) }
        closeIfDrained()
        closeIfPeerDrained()
    }

    mutating func receiveClose(_ frame: Frame) throws {
        let farewell = try Farewell(decoding: frame.fields)
        guard let stream = streams.removeValue(forKey: frame.streamID) else { return }
        act(
            stream.isAccepted
                ? .streamClosed(frame.streamID, farewell.reason)
                : .streamRejected(frame.streamID, .refused(farewell.reason)))
        closeIfDrained()
        closeIfPeerDrained()
    }
}
