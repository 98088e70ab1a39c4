import Identity

/// A key as it lies in RocksDB: two bytes of slot, big-endian, so that a slot is one range; then the row's own key.
struct RowKey {
    private let prefix: UInt16
    private let rest: [UInt8]

    init(_ slot: Slot, _ rest: [UInt8]) {
        prefix = slot.rawValue
        self.rest = rest
    }

    /// - Parameter bytes: two at least.
    init(bytes: [UInt8]) {
        precondition(bytes.count >= 2, "a key begins with two bytes of slot")
        prefix = UInt16(bytes[0]) << 8 | UInt16(bytes[1])
        rest = Array(bytes.dropFirst(2))
    }

    private init(prefix: UInt16) {
        self.prefix = prefix
        rest = []
    }

    static func start(of slot: Slot) -> RowKey { RowKey(prefix: slot.rawValue) }

    /// Behind all keys of the slot.
    static func end(of slot: Slot) -> RowKey { RowKey(prefix: slot.rawValue + 1) }

    var bytes: [UInt8] { [UInt8(prefix >> 8), UInt8(truncatingIfNeeded: prefix)] + rest }

    func withBytes<Result>(_ body: (UnsafeBufferPointer<CChar>) -> Result) -> Result {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: rest.count + 2) { buffer in
            buffer[0] = CChar(bitPattern: UInt8(prefix >> 8))
            buffer[1] = CChar(bitPattern: UInt8(truncatingIfNeeded: prefix))
            rest.withUnsafeBufferPointer { rest in
                for position in rest.indices { buffer[position + 2] = CChar(bitPattern: rest[position]) }
            }
            return body(UnsafeBufferPointer(buffer))
        }
    }
}
