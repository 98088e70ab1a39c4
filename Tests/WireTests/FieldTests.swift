import NIOCore
import Testing

@testable import Wire

@Suite struct FieldTests {
    @Test(arguments: Samples.all) func aMessageIsTheSameAfterARoundTrip(sample: Samples.Sample) throws {
        let encoded = sample.encoded()
        #expect(try sample.recoded(encoded) == encoded)
    }

    @Test(arguments: Samples.all) func unknownFieldsAreSkipped(sample: Samples.Sample) throws {
        // One-of messages read their first field only: what is new comes behind.
        var writer = FieldWriter(buffer: sample.encoded())
        writer.write(900, UInt64(5))
        writer.write(901, fixed: 6)
        writer.write(902, "from version N+1")
        #expect(try sample.recoded(writer.buffer) == sample.encoded())
    }

    @Test(arguments: Samples.all) func aTruncatedMessageIsAnErrorOrAValue(sample: Samples.Sample) {
        let encoded = sample.encoded()
        for count in 0..<encoded.readableBytes {
            guard let part = encoded.getSlice(at: encoded.readerIndex, length: count) else { continue }
            // Either is right; a crash is not. What decodes must encode.
            _ = try? sample.recoded(part)
        }
    }

    @Test(arguments: Samples.all) func flippedBitsAreAnErrorOrAValue(sample: Samples.Sample) {
        let encoded = sample.encoded()
        for index in encoded.readerIndex..<encoded.writerIndex {
            for bit in 0..<8 {
                var broken = encoded
                let byte: UInt8 = broken.getInteger(at: index) ?? 0
                broken.setInteger(byte ^ 1 << bit, at: index)
                _ = try? sample.recoded(broken)
            }
        }
    }

    @Test func aLengthBeyondTheMessageIsRefusedBeforeAnythingIsTaken() {
        var bytes = ByteBuffer()
        bytes.writeVarint(1 << 2 | 2)
        bytes.writeVarint(UInt64.max)
        var reader = FieldReader(bytes)
        #expect(throws: FieldError.truncated) { try reader.next() }
    }

    @Test func aVarintOfMoreThan64BitsIsRefused() {
        var bytes = ByteBuffer(repeating: 0xff, count: 9)
        bytes.writeInteger(UInt8(2))
        #expect(throws: FieldError.varintTooLong) { try bytes.readVarint() }
        var long = ByteBuffer(repeating: 0x80, count: 11)
        #expect(throws: FieldError.varintTooLong) { try long.readVarint() }
    }

    @Test func nestingIsBounded() throws {
        var bytes = ByteBuffer()
        for _ in 0..<FieldReader.maximumDepth {
            var writer = FieldWriter()
            writer.write(1, bytes)
            bytes = writer.buffer
        }
        var reader = FieldReader(bytes)
        #expect(throws: FieldError.tooDeep) {
            while let field = try reader.next() { reader = try field.message() }
        }
    }

    @Test func aBodySharesTheMemoryOfItsMessage() throws {
        var writer = FieldWriter()
        writer.write(1, ByteBuffer(repeating: 7, count: 100))
        let message = writer.buffer
        var reader = FieldReader(message)
        let body = try #require(try reader.next()).bytes()
        let start = message.withUnsafeReadableBytes { UInt(bitPattern: $0.baseAddress) }
        let bodyStart = body.withUnsafeReadableBytes { UInt(bitPattern: $0.baseAddress) }
        #expect(bodyStart == start + 2)
    }
}
