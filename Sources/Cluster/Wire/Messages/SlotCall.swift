import Identity
import NIOCore

/// What every call to a slot's primary carries around its own body.
public struct SlotCall: Sendable, FieldCodable {
    public var slot: Slot
    /// The epoch of the row that the caller routed by.
    public var epoch: Epoch
    /// Set on calls that change state; a retry carries the same one.
    public var requestID: RequestID?
    public var kind: Kind
    /// A ``RestRequest``, ``AuthenticateRequest``, … as ``kind`` says.
    public var body: ByteBuffer

    /// What ``body`` is.
    public enum Kind: UInt64, Sendable {
        /// ``RestRequest`` → ``RestReply``.
        case rest = 1
        /// ``AuthenticateRequest`` → ``AuthenticateReply``.
        case authenticate = 2
        /// ``OutboxDelivery`` → ``OutboxAcknowledgement``.
        case outbox = 3
        /// Answered with an empty body once the slot serves: for readiness checks.
        case ping = 4
        /// An ``AuthenticateRequest`` of which only the user counts → ``UserProfile``, or an empty body when unknown.
        case profile = 5
        /// ``RestoreStep`` → ``RestoreMarker``; from guild nodes only.
        case restore = 10
    }

    public init(slot: Slot, epoch: Epoch, requestID: RequestID?, kind: Kind, body: ByteBuffer) {
        self.slot = slot
        self.epoch = epoch
        self.requestID = requestID
        self.kind = kind
        self.body = body
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, slot)
        writer.write(2, epoch)
        if let requestID {
            writer.write(3, requestID.mintedMilliseconds)
            writer.write(4, fixed: requestID.random)
        }
        writer.write(5, kind.rawValue)
        writer.write(6, body)
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var slot: Slot?
        var epoch = Epoch.zero
        var minted: UInt64?
        var random: UInt64 = 0
        var kind: Kind?
        var body = ByteBuffer()
        while let field = try reader.next() {
            switch field.number {
            case 1: slot = try field.slot()
            case 2: epoch = try field.epoch()
            case 3: minted = try field.uint64()
            case 4: random = try field.fixed()
            case 5:
                kind = Kind(rawValue: try field.uint64())
                if kind == nil { throw .invalidField(5) }
            case 6: body = try field.bytes()
            default: break
            }
        }
        self.init(
            slot: try slot.required(1), epoch: epoch,
            requestID: minted.map { RequestID(mintedMilliseconds: $0, random: random) },
            kind: try kind.required(5), body: body)
    }
}

/// The outcome of a ``SlotCall``.
public enum SlotReply: Hashable, Sendable, FieldCodable {
    /// The slot did what was asked; the body is as ``SlotCall/Kind`` says.
    case done(ByteBuffer)
    /// This node does not serve the slot; refresh the shard map, at least to this epoch, and try again.
    case moved(Epoch)
    /// The slot's primary is here but does not serve now (starting, or below the minimum in-sync set), and the call did
    /// not run: try again.
    case unavailable(String)
    /// The request will never succeed: it is malformed.
    case refused(String)
    /// The call ran, and the slot stopped serving, or another slot did not answer, before it was known with what end:
    /// try again.
    case interrupted(String)
    /// The request's id was not minted within ``RequestID/memory`` by this node's clock, and the call did not run. As ids
    /// are minted for each request, the two processes' clocks differ.
    case clockApart(String)

    public func encode(into writer: inout FieldWriter) {
        switch self {
        case .done(let body): writer.write(1, body)
        case .moved(let epoch): writer.write(2, epoch)
        case .unavailable(let reason): writer.write(3, reason)
        case .refused(let reason): writer.write(4, reason)
        case .interrupted(let reason): writer.write(5, reason)
        case .clockApart(let reason): writer.write(6, reason)
        }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var reply: SlotReply?
        while let field = try reader.next() {
            switch field.number {
            case 1: reply = .done(try field.bytes())
            case 2: reply = .moved(try field.epoch())
            case 3: reply = .unavailable(try field.string())
            case 4: reply = .refused(try field.string())
            case 5: reply = .interrupted(try field.string())
            case 6: reply = .clockApart(try field.string())
            default: break
            }
        }
        self = try reply.required(1)
    }
}
