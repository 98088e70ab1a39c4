import Crypto
import Foundation
import NIOCore

/// The SHA-256 of an object's content.
public struct ObjectChecksum: Hashable, Sendable, CustomStringConvertible {
    /// 32 bytes.
    public let bytes: [UInt8]

    /// - Parameter hexadecimal: 64 digits in lower case; `nil` for anything else.
    public init?(hexadecimal: String) {
        guard hexadecimal.utf8.count == 64 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(32)
        var high: UInt8?
        for digit in hexadecimal.utf8 {
            let value: UInt8
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = digit - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = digit - UInt8(ascii: "a") + 10
            default: return nil
            }
            if let first = high {
                bytes.append(first << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        self.bytes = bytes
    }

    /// - Parameter bytes: 32; `nil` for anything else.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        self.bytes = bytes
    }

    fileprivate init(_ digest: SHA256.Digest) { bytes = Array(digest) }

    public init(of content: ByteBuffer) {
        var sum = RunningChecksum()
        sum.add(content)
        self = sum.checksum
    }

    public var hexadecimal: String { Hexadecimal.text(bytes) }
    public var description: String { hexadecimal }
}

/// A checksum of content that comes in pieces.
public struct RunningChecksum {
    private var hash = SHA256()
    /// Bytes so far.
    public private(set) var count = 0

    public init() {}

    public mutating func add(_ piece: ByteBuffer) {
        piece.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
        count += piece.readableBytes
    }

    public var checksum: ObjectChecksum { ObjectChecksum(hash.finalize()) }
}

enum Hexadecimal {
    private static let digits = Array("0123456789abcdef".utf8)

    static func text(_ bytes: some Sequence<UInt8>) -> String {
        var text: [UInt8] = []
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
