import Identity
import NIOCore
import Storage
import Transport
import Wire

/// The body that opens a snapshot stream, from a slot's primary to a learner.
struct SnapshotOffer: Hashable, Sendable, FieldCodable {
    /// Of the row that the sender is primary by.
    var epoch: Epoch
    var head: SlotSnapshot.Head

    init(epoch: Epoch, head: SlotSnapshot.Head) {
        self.epoch = epoch
        self.head = head
    }

    func encode(into writer: inout FieldWriter) {
        writer.write(1, epoch)
        writer.write(2, head)
    }

    init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var head: SlotSnapshot.Head?
        epoch = .zero
        while let field = try reader.next() {
            switch field.number {
            case 1: epoch = try field.epoch()
            case 2: head = try field.message()
            default: break
            }
        }
        self.head = try head.required(2)
    }
}

/// What the primary sends on a snapshot stream, once the learner is ready.
enum SnapshotItem: Hashable, Sendable, FieldCodable {
    /// A file's bytes follow.
    case part(SlotSnapshot.Part)
    case bytes(ByteBuffer)
    /// There were so many parts.
    case end(parts: Int)

    func encode(into writer: inout FieldWriter) {
        switch self {
        case .part(let part): writer.write(1, part)
        case .bytes(let bytes): writer.write(2, bytes)
        case .end(let parts): writer.write(3, parts)
        }
    }

    init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var item: SnapshotItem?
        while let field = try reader.next() {
            switch field.number {
            case 1: item = .part(try field.message())
            case 2: item = .bytes(try field.bytes())
            case 3: item = .end(parts: try field.int())
            default: break
            }
        }
        self = try item.required(1)
    }
}

/// What the learner answers.
enum SnapshotAnswer: Hashable, Sendable, FieldCodable {
    /// It is this snapshot's turn: send.
    case ready
    /// So many bytes of parts are written to files.
    case received(Int)
    /// The slot is on disk as of the snapshot.
    case installed
    case refused(String)

    func encode(into writer: inout FieldWriter) {
        switch self {
        case .ready: writer.write(1, true)
        case .received(let bytes): writer.write(2, bytes)
        case .installed: writer.write(3, true)
        case .refused(let reason): writer.write(4, reason)
        }
    }

    init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var answer: SnapshotAnswer?
        while let field = try reader.next() {
            switch field.number {
            case 1: answer = .ready
            case 2: answer = .received(try field.int())
            case 3: answer = .installed
            case 4: answer = .refused(try field.string())
            default: break
            }
        }
        self = try answer.required(1)
    }
}

/// Hands a stream's items to a task. What is buffered is bounded by what the other side may send before it is answered.
struct StreamItems<Item: FieldCodable & Sendable>: StreamReceiver {
    let items: AsyncThrowingStream<Item, any Error>
    private let continuation: AsyncThrowingStream<Item, any Error>.Continuation

    init() { (items, continuation) = AsyncThrowingStream.makeStream() }

    func received(_ item: ByteBuffer, on stream: any TransportStream) {
        stream.consumed(1)
        do { continuation.yield(try Item(decoding: item)) } catch {
            stream.close("an item cannot be decoded: \(error)")
            continuation.finish(throwing: error)
        }
    }

    func closed(_ reason: String, on stream: any TransportStream) {
        continuation.finish(throwing: SnapshotFailure(reason: "the stream is closed: \(reason)"))
    }
}

struct SnapshotFailure: Error, CustomStringConvertible {
    var reason: String
    var description: String { reason }
}
