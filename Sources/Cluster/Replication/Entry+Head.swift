import Identity
import NIOCore
import Wire

extension Entry {
    /// Whose log an encoded entry lies in, and where: what is read of an entry that is passed on as it is.
    public struct Head: Hashable, Sendable {
        public var slot: Slot
        public var position: LogPosition

        public init(slot: Slot, position: LogPosition) {
            self.slot = slot
            self.position = position
        }
    }

    /// Into how many bytes at an entry's start this version writes its head, at most.
    public static let usualHeadSize = 64

    /// Reads the head of an encoded entry without looking at the rest of its fields.
    ///
    /// - Parameter verifying: whether the checksum over all bytes is compared.
    /// - Throws: ``EntryError``; every input gives a head or an error.
    public static func head(of encoded: ByteBuffer, verifying: Bool) throws(EntryError) -> Head {
        var buffer = encoded
        guard buffer.readableBytes <= maximumSize else { throw .tooLarge(buffer.readableBytes) }
        guard let version: UInt8 = buffer.readInteger() else { throw .truncated }
        guard version == formatVersion else { throw .unknownFormat(version) }
        guard let checksum: UInt32 = buffer.readInteger(endianness: .little) else { throw .truncated }
        if verifying, buffer.withUnsafeReadableBytes({ Checksum.crc32c($0) }) != checksum { throw .wrongChecksum }
        do {
            return try head(from: FieldReader(buffer))
        } catch {
            throw .malformed("\(error)")
        }
    }

    /// Reads an encoded entry's id mark, without looking at what comes after it. The checksum is not compared.
    ///
    /// - Throws: ``EntryError``; every input gives a mark or an error.
    public static func idMark(of encoded: ByteBuffer) throws(EntryError) -> Snowflake {
        guard encoded.readableBytes >= headSize,
            let fields = encoded.getSlice(
                at: encoded.readerIndex + headSize, length: encoded.readableBytes - headSize)
        else { throw .truncated }
        do {
            var reader = FieldReader(fields)
            while let field = try reader.next() {
                if field.number == 5 { return try field.snowflake() }
            }
        } catch {
            throw .malformed("\(error)")
        }
        return Snowflake(rawValue: 0)
    }

    private static func head(from reader: FieldReader) throws(FieldError) -> Head {
        var reader = reader
        var slot: Slot?
        var epoch: Epoch?
        var index: LogIndex?
        while slot == nil || epoch == nil || index == nil, let field = try reader.next() {
            switch field.number {
            case 1: slot = try field.slot()
            case 2: epoch = try field.epoch()
            case 3: index = try field.logIndex()
            default: break
            }
        }
        return Head(
            slot: try slot.required(1),
            position: LogPosition(epoch: epoch ?? .zero, index: try index.required(3)))
    }
}
