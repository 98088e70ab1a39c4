import Foundation
import Identity
import NIOCore

/// The cluster's record as each guild node keeps it beside its data, for when the coordinator's data is lost: without it
/// the cluster's id and the secret that tokens are signed with would be gone. Readable by its owner alone.
public struct ClusterRecordCopy: Sendable {
    public static let fileName = "CLUSTER"

    private let path: String

    /// - Parameter folder: of a guild node's data.
    public init(folder: String) { path = folder + "/" + ClusterRecordCopy.fileName }

    /// `nil` when there is none.
    ///
    /// - Throws: ``ClusterFailure/unreadable(key:reason:)``.
    public func read() throws(ClusterFailure) -> ClusterRecord? {
        guard let bytes = FileManager.default.contents(atPath: path) else { return nil }
        do { return try ClusterRecord(decoding: ByteBuffer(bytes: bytes)) } catch {
            throw .unreadable(key: path, reason: "\(error)")
        }
    }

    /// Whole or not at all, and only when something has changed. Blocks.
    public func keep(_ record: ClusterRecord) throws {
        if let kept = try? read(), kept == record { return }
        let draft = path + ".new"
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        try file.write(contentsOf: Data(record.encoded().readableBytesView))
        try file.synchronize()
        guard rename(draft, path) == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
    }
}
