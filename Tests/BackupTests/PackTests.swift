import NIOCore
import Testing

@testable import Backup

@Suite("A pack of a backup")
struct PackTests {
    static func rows(_ count: Int, valueSize: Int = 100) -> [Pack.Record] {
        (0..<count).map { number in
            .row(
                family: UInt8(number % 5 + 1), key: Array("key \(number)".utf8),
                value: ByteBuffer(bytes: (0..<valueSize).map { UInt8(truncatingIfNeeded: $0 &* number) }))
        }
    }

    static func pack(_ records: [Pack.Record], kind: Pack.Kind = .rows) -> ByteBuffer {
        var writer = PackWriter(kind: kind)
        for record in records { writer.add(record) }
        return writer.finish()
    }

    static func read(_ bytes: ByteBuffer) throws(PackError) -> [Pack.Record] {
        var reader = try PackReader(bytes)
        var records: [Pack.Record] = []
        while let record = try reader.next() { records.append(record) }
        return records
    }

    @Test("gives back its records, over any number of chunks", arguments: [0, 1, 3, 50_000])
    func roundTrip(_ count: Int) throws {
        let records = Self.rows(count)
        #expect(try Self.read(Self.pack(records)) == records)
        let entries = (0..<count).map { Pack.Record.entry(ByteBuffer(string: "entry \($0)")) }
        #expect(try Self.read(Self.pack(entries, kind: .entries)) == entries)
    }

    @Test("takes the largest entry")
    func large() throws {
        let record = Pack.Record.entry(ByteBuffer(repeating: 7, count: Pack.maximumRecord))
        #expect(try Self.read(Self.pack([record, record], kind: .entries)) == [record, record])
    }

    @Test("is full in time")
    func full() {
        var writer = PackWriter(kind: .rows)
        var generator = SystemRandomNumberGenerator()
        let value = ByteBuffer(bytes: (0..<100_000).map { _ in UInt8.random(in: 0...255, using: &generator) })
        while !writer.isFull {
            writer.add(.row(family: 1, key: [1], value: value))
        }
        #expect(writer.finish().readableBytes <= Pack.fullSize + 2 * Pack.chunkSize)
    }

    @Test("cut anywhere it is an error or a shorter pack, never something else")
    func cut() {
        let records = Self.rows(40)
        let whole = Self.pack(records)
        for length in 0..<whole.readableBytes {
            let part = whole.getSlice(at: whole.readerIndex, length: length) ?? ByteBuffer()
            if let read = try? Self.read(part) { #expect(records.starts(with: read) && read.count < records.count) }
        }
    }

    @Test("with any bit changed behind its head it is an error")
    func changed() {
        let whole = Self.pack(Self.rows(40))
        for position in 0..<whole.readableBytes * 8 {
            var bytes = Array(whole.readableBytesView)
            bytes[position / 8] ^= 1 << UInt8(position % 8)
            #expect(throws: PackError.self, "bit \(position)") { try Self.read(ByteBuffer(bytes: bytes)) }
        }
    }

    @Test("any bytes are records or an error, and cost no memory that was not checked")
    func noise() {
        var generator = SystemRandomNumberGenerator()
        for round in 0..<20_000 {
            var bytes = round % 2 == 0 ? [] : Pack.magic + [Pack.formatVersion, UInt8(round / 2 % 3)]
            bytes += (0..<Int.random(in: 0...64, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            _ = try? Self.read(ByteBuffer(bytes: bytes))
        }
        // Lengths that would be terabytes together.
        var claim = ByteBuffer(bytes: Pack.magic + [Pack.formatVersion, 1])
        claim.writeBytes([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])
        #expect(throws: PackError.self) { try Self.read(claim) }
    }

    @Test("of a newer format it says so")
    func newer() {
        var bytes = Array(Self.pack([]).readableBytesView)
        bytes[4] = 2
        #expect(throws: PackError.unknownFormat(2)) { try Self.read(ByteBuffer(bytes: bytes)) }
    }

    /// The bytes themselves, so that a change of the format does not go unseen: they lie in stores for years.
    @Test("has the documented bytes")
    func golden() {
        let bytes = Array(Self.pack([.row(family: 2, key: [1, 2], value: ByteBuffer(string: "v"))]).readableBytesView)
        #expect(Array(bytes.prefix(10)) == Array("GHBK".utf8) + [1, 1, 12, 0, 0, 0])
        #expect(Array(bytes[18...19]) == [0x78, 0x5e], "a zlib stream")
    }
}
