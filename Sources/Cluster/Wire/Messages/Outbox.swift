import Identity
import NIOCore

/// Effects of one slot on another, in the order of their numbers (DESIGN §6.8). Sent again until acknowledged.
public struct OutboxDelivery: Hashable, Sendable, FieldCodable {
    public var source: Slot
    /// Names the life of the source slot's data; its numbers start anew with each.
    public var incarnation: UInt64
    /// The number of the first effect; those after it follow without gaps.
    public var first: UInt64
    /// Encoded effects.
    public var effects: [ByteBuffer]

    public init(source: Slot, incarnation: UInt64, first: UInt64, effects: [ByteBuffer]) {
        self.source = source
        self.incarnation = incarnation
        self.first = first
        self.effects = effects
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, source)
        writer.write(2, fixed: incarnation)
        writer.write(3, first)
        for effect in effects { writer.write(4, effect) }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var source: Slot?
        var incarnation: UInt64?
        var first: UInt64?
        var effects: [ByteBuffer] = []
        while let field = try reader.next() {
            switch field.number {
            case 1: source = try field.slot()
            case 2: incarnation = try field.fixed()
            case 3: first = try field.uint64()
            case 4: effects.append(try field.bytes())
            default: break
            }
        }
        self.init(
            source: try source.required(1), incarnation: try incarnation.required(2), first: try first.required(3),
            effects: effects)
    }
}

/// The answer to an ``OutboxDelivery``: all effects through this number are applied and committed.
public struct OutboxAcknowledgement: Hashable, Sendable, FieldCodable {
    public var through: UInt64

    public init(through: UInt64) { self.through = through }

    public func encode(into writer: inout FieldWriter) { writer.write(1, through) }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var through: UInt64?
        while let field = try reader.next() {
            if field.number == 1 { through = try field.uint64() }
        }
        self.init(through: try through.required(1))
    }
}
