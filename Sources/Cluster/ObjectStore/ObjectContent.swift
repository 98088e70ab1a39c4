import Foundation
import NIOCore
import NIOFoundationCompat

/// What is to be stored, with its size and checksum known before the first byte is sent.
public struct ObjectContent: Sendable {
    enum Source: Sendable {
        case bytes(ByteBuffer)
        case file(String)
        case stream(@Sendable () -> any AsyncSequence<ByteBuffer, any Error>)
    }

    public let size: Int
    public let checksum: ObjectChecksum
    let source: Source

    /// A small object that is in memory already.
    public static func bytes(_ bytes: ByteBuffer) -> ObjectContent {
        ObjectContent(size: bytes.readableBytes, checksum: ObjectChecksum(of: bytes), source: .bytes(bytes))
    }

    /// Content that is made as it is sent. It is read once, in order; pieces may have any size up to 1 MiB.
    public static func stream(
        size: Int, checksum: ObjectChecksum, _ open: @escaping @Sendable () -> any AsyncSequence<ByteBuffer, any Error>
    ) -> ObjectContent {
        ObjectContent(size: size, checksum: checksum, source: .stream(open))
    }

    /// A file, which is read twice: for the checksum first. It must not change meanwhile.
    public static func file(_ path: String) async throws(ObjectStoreFailure) -> ObjectContent {
        var sum = RunningChecksum()
        let reader = try await FileReader.open(path)
        do throws(ObjectStoreFailure) {
            while let piece = try await reader.next() { sum.add(piece) }
        } catch {
            await reader.close()
            throw error
        }
        await reader.close()
        return ObjectContent(size: sum.count, checksum: sum.checksum, source: .file(path))
    }

    /// Calls `body` with the content, piece by piece, and compares it with what was said of it.
    ///
    /// - Throws: ``ObjectStoreFailure/wrongContent(_:)``, ``ObjectStoreFailure/source(_:)`` or what `body` throws.
    func read(_ body: (ByteBuffer) async throws(ObjectStoreFailure) -> Void) async throws(ObjectStoreFailure) {
        var sum = RunningChecksum()
        func take(_ piece: ByteBuffer) async throws(ObjectStoreFailure) {
            sum.add(piece)
            guard sum.count <= size else { throw .wrongContent("it has more than the \(size) bytes it was said to") }
            try await body(piece)
        }
        switch source {
        case .bytes(let bytes): try await take(bytes)
        case .file(let path):
            let reader = try await FileReader.open(path)
            do throws(ObjectStoreFailure) {
                while let piece = try await reader.next() { try await take(piece) }
            } catch {
                await reader.close()
                throw error
            }
            await reader.close()
        case .stream(let open):
            do {
                for try await piece in open() { try await take(piece) }
            } catch let failure as ObjectStoreFailure {
                throw failure
            } catch {
                throw .source("\(error)")
            }
        }
        guard sum.count == size else {
            throw .wrongContent("it has \(sum.count) bytes, not the \(size) it was said to")
        }
        guard sum.checksum == checksum else { throw .wrongContent("its checksum is not what it was said to be") }
    }
}
