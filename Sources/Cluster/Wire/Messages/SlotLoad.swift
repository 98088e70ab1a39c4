/// What one slot costs its primary. All but the last two count up from when the slot was opened there.
public struct SlotLoad: Hashable, Sendable, FieldCodable {
    /// Requests served, reads among them.
    public var requests: UInt64 = 0
    /// Time on the slot's event loop.
    public var cpuNanoseconds: UInt64 = 0
    /// Bytes of entries given to the log.
    public var writtenBytes: UInt64 = 0
    /// Events sent to gateways.
    public var events: UInt64 = 0
    /// Bytes that the slot's state takes on the disk, about; 0 when it has not been measured.
    public var storedBytes: UInt64 = 0
    /// Event streams' subscriptions to roots of the slot.
    public var subscriptions: UInt64 = 0

    public init() {}

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, requests)
        writer.write(2, cpuNanoseconds)
        writer.write(3, writtenBytes)
        writer.write(4, events)
        writer.write(5, storedBytes)
        writer.write(6, subscriptions)
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        while let field = try reader.next() {
            switch field.number {
            case 1: requests = try field.uint64()
            case 2: cpuNanoseconds = try field.uint64()
            case 3: writtenBytes = try field.uint64()
            case 4: events = try field.uint64()
            case 5: storedBytes = try field.uint64()
            case 6: subscriptions = try field.uint64()
            default: break
            }
        }
    }
}
