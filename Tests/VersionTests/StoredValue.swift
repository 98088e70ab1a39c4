import Foundation
import NIOCore
import Wire

/// A value of a kind that is kept on disk, in the coordinator, or sent from node to node: how this build writes it, and
/// how it reads it.
///
/// What is in the files `StoredValues+….swift` without a number compiles with the first version's sources as well:
/// `scripts/record-vectors` records with it what an older build writes.
struct StoredValue: Sendable {
    var name: String
    var encoded: @Sendable () throws -> ByteBuffer
    /// Decodes, and encodes what came out.
    var recoded: @Sendable (ByteBuffer) throws -> ByteBuffer

    init(
        _ name: String, encoded: @escaping @Sendable () throws -> ByteBuffer,
        recoded: @escaping @Sendable (ByteBuffer) throws -> ByteBuffer
    ) {
        self.name = name
        self.encoded = encoded
        self.recoded = recoded
    }

    init<Value: FieldCodable & Sendable>(_ name: String, _ value: Value) {
        self.init(name, encoded: { value.encoded() }, recoded: { try Value(decoding: $0).encoded() })
    }

    /// Of all versions.
    static var common: [StoredValue] { coordination + cluster + meta + entries + guild + user + sessions + storage }

    /// A folder that is there while `body` runs.
    static func inFolder<Value>(_ body: (String) throws -> Value) throws -> Value {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("version-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try body(folder.path)
    }
}
