import Foundation
import NIOCore

/// Objects as files of a folder.
///
/// Content is written to a temporary name, synced, renamed to its place, and the folder is synced. A file is the
/// content and 40 bytes more: a mark and the content's SHA-256, so that both come to be in one step. A slash in a key is
/// a folder; the file of key `a/b` is `objects/a/b.object`, so that the keys `a` and `a/b` do not collide.
public struct DiskObjectStore: ObjectStore {
    static let mark: [UInt8] = Array("GHOBJ\u{0}\u{0}\u{1}".utf8)
    static let trailerSize = 40

    private let folder: String
    private var objects: String { folder + "/objects" }
    private var drafts: String { folder + "/drafts" }

    /// - Parameter folder: made at the first put when it is not there.
    public init(folder: String) { self.folder = folder }

    func path(_ key: ObjectKey) -> String { objects + "/" + key.text + ObjectKey.fileSuffix }

    // MARK: Writing

    public func put(_ key: ObjectKey, _ content: ObjectContent) async throws(ObjectStoreFailure) {
        let draft = drafts + "/\(UUID().uuidString)"
        let drafts = drafts
        let descriptor = try await Disk.run { () throws(ObjectStoreFailure) in
            try DiskObjectStore.makeFolder(drafts)
            return try Disk.open(draft, O_WRONLY | O_CREAT | O_EXCL)
        }
        do throws(ObjectStoreFailure) {
            try await content.read { piece throws(ObjectStoreFailure) in
                try await Disk.run { () throws(ObjectStoreFailure) in
                    try DiskObjectStore.write(piece, to: descriptor, draft)
                }
            }
            let trailer = ByteBuffer(bytes: DiskObjectStore.mark + content.checksum.bytes)
            try await Disk.run { [self] () throws(ObjectStoreFailure) in
                try DiskObjectStore.write(trailer, to: descriptor, draft)
                guard fsync(descriptor) == 0 else { throw Disk.failure(draft) }
                try rename(draft, to: key)
            }
        } catch {
            close(descriptor)
            unlink(draft)
            throw error
        }
        close(descriptor)
    }

    private static func write(_ piece: ByteBuffer, to descriptor: Int32, _ path: String) throws(ObjectStoreFailure) {
        var offset = 0
        while offset < piece.readableBytes {
            let count = piece.withUnsafeReadableBytes {
                Foundation.write(descriptor, $0.baseAddress?.advanced(by: offset), $0.count - offset)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Disk.failure(path) }
            offset += count
        }
    }

    private func rename(_ draft: String, to key: ObjectKey) throws(ObjectStoreFailure) {
        let path = path(key)
        let parent = (path as NSString).deletingLastPathComponent
        // A deletion may remove the folder between the two steps, when it was empty.
        for attempt in 1... {
            try DiskObjectStore.makeFolder(parent)
            if Foundation.rename(draft, path) == 0 { break }
            guard errno == ENOENT, attempt < 5 else { throw Disk.failure(path) }
        }
        try DiskObjectStore.syncIfThere(parent)
    }

    /// Makes the folder and those above it; a new folder's name is synced in the one above.
    private static func makeFolder(_ path: String) throws(ObjectStoreFailure) {
        if mkdir(path, 0o700) == 0 || errno == EEXIST {
            if errno != EEXIST { try? Disk.sync((path as NSString).deletingLastPathComponent) }
            return
        }
        guard errno == ENOENT, path.count > 1 else { throw Disk.failure(path) }
        try makeFolder((path as NSString).deletingLastPathComponent)
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw Disk.failure(path) }
        try? Disk.sync((path as NSString).deletingLastPathComponent)
    }

    /// Somebody who deletes the folder's last object at the same time removes the folder too.
    private static func syncIfThere(_ folder: String) throws(ObjectStoreFailure) {
        do throws(ObjectStoreFailure) { try Disk.sync(folder) } catch {
            if isMissing(folder) { return }
            throw error
        }
    }

    public func delete(_ key: ObjectKey) async throws(ObjectStoreFailure) {
        try await Disk.run { [self] () throws(ObjectStoreFailure) in
            let path = path(key)
            guard unlink(path) == 0 else {
                if errno == ENOENT || errno == ENOTDIR { return }
                throw Disk.failure(path)
            }
            var parent = (path as NSString).deletingLastPathComponent
            try DiskObjectStore.syncIfThere(parent)
            while parent.count > objects.count, rmdir(parent) == 0 {
                parent = (parent as NSString).deletingLastPathComponent
            }
        }
    }

    // MARK: Reading

    public func get(
        _ key: ObjectKey, range: Range<Int>?, _ body: (ByteBuffer) async throws -> Void
    ) async throws -> ObjectDescription {
        let reader: FileReader
        do throws(ObjectStoreFailure) { reader = try await FileReader.open(path(key)) } catch {
            throw DiskObjectStore.isMissing(path(key)) ? .notFound(key) : error
        }
        do {
            let description = try await describe(key, reader)
            let range = range ?? 0..<description.size
            guard range.upperBound <= description.size else {
                throw ObjectStoreFailure.invalid("\(key) has \(description.size) bytes, not \(range)")
            }
            try await reader.seek(to: range.lowerBound)
            var sum = RunningChecksum()
            while sum.count < range.count {
                guard let piece = try await reader.next(min(FileReader.pieceSize, range.count - sum.count)) else {
                    throw ObjectStoreFailure.corrupt(key, "the file ends early")
                }
                sum.add(piece)
                try await body(piece)
            }
            if range.count == description.size, sum.checksum != description.checksum {
                throw ObjectStoreFailure.corrupt(key, "its checksum is another")
            }
            await reader.close()
            return description
        } catch {
            await reader.close()
            throw error
        }
    }

    public func head(_ key: ObjectKey) async throws(ObjectStoreFailure) -> ObjectDescription? {
        let reader: FileReader
        do throws(ObjectStoreFailure) { reader = try await FileReader.open(path(key)) } catch {
            if DiskObjectStore.isMissing(path(key)) { return nil }
            throw error
        }
        let result: Result<ObjectDescription, ObjectStoreFailure>
        do throws(ObjectStoreFailure) { result = .success(try await describe(key, reader)) } catch {
            result = .failure(error)
        }
        await reader.close()
        return try result.get()
    }

    private static func isMissing(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) != 0 && (errno == ENOENT || errno == ENOTDIR)
    }

    private func describe(_ key: ObjectKey, _ reader: FileReader) async throws(ObjectStoreFailure) -> ObjectDescription
    {
        let size = try await reader.size() - DiskObjectStore.trailerSize
        guard size >= 0 else { throw .corrupt(key, "the file is too short") }
        try await reader.seek(to: size)
        let trailer = try await reader.next(DiskObjectStore.trailerSize).map { Array($0.readableBytesView) } ?? []
        guard trailer.starts(with: DiskObjectStore.mark),
            let checksum = ObjectChecksum(bytes: Array(trailer.dropFirst(8)))
        else { throw .corrupt(key, "the file is not one of ours, or was cut") }
        return ObjectDescription(size: size, checksum: checksum)
    }

    // MARK: Listing

    public func list(
        prefix: String, after: ObjectKey?, limit: Int
    ) async throws(ObjectStoreFailure) -> ObjectPage {
        guard ObjectKey.isPrefix(prefix) else { throw .invalid("'\(prefix)' begins no key") }
        guard (1...1_000).contains(limit) else { throw .invalid("a page has 1 to 1000 objects, not \(limit)") }
        let objects = objects
        return try await Disk.run { () throws(ObjectStoreFailure) in
            var walk = DiskWalk(root: objects, prefix: prefix, after: after, limit: limit)
            return try walk.run()
        }
    }
}

/// One page of a listing, from folders.
private struct DiskWalk {
    let root: String
    let prefix: String
    let after: ObjectKey?
    let limit: Int
    var items: [ObjectPage.Item] = []

    mutating func run() throws(ObjectStoreFailure) -> ObjectPage {
        // Only below the prefix's last slash can anything match.
        let start = prefix.lastIndex(of: "/").map { String(prefix[...$0]) } ?? ""
        let isWhole = try visit(start)
        return ObjectPage(items: items, hasMore: !isWhole)
    }

    /// - Parameter path: keys' beginning, empty or with a slash at its end.
    /// - Returns: `false` once the page is full and more would follow.
    private mutating func visit(_ path: String) throws(ObjectStoreFailure) -> Bool {
        let folder = root + "/" + path
        let names: [String]
        do { names = try FileManager.default.contentsOfDirectory(atPath: folder) } catch {
            // Never made, or removed because it had become empty.
            if !FileManager.default.fileExists(atPath: folder) { return true }
            throw .file(path: folder, reason: "\(error.localizedDescription)")
        }
        // A folder's keys go on with a slash, which decides its place among the files.
        let parts = names.map { name in
            name.hasSuffix(ObjectKey.fileSuffix) ? String(name.dropLast(ObjectKey.fileSuffix.count)) : name + "/"
        }.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        for part in parts {
            let text = path + part
            guard text.hasPrefix(prefix) || prefix.hasPrefix(text) else { continue }
            if text.hasSuffix("/") {
                if let after, !after.text.hasPrefix(text), !after.text.utf8.lexicographicallyPrecedes(text.utf8) {
                    continue
                }
                guard try visit(text) else { return false }
            } else if let key = ObjectKey(text), text.hasPrefix(prefix), after.map({ $0 < key }) ?? true {
                guard items.count < limit else { return false }
                var status = stat()
                guard stat(root + "/" + text + ObjectKey.fileSuffix, &status) == 0 else { continue }
                items.append(.init(key: key, size: Int(status.st_size) - DiskObjectStore.trailerSize))
            }
        }
        return true
    }
}
