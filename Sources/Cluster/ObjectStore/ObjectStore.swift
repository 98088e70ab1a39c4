import NIOCore

/// Keeps objects, whole and named by a key: backups, and later attachments (DESIGN §13).
///
/// Two implementations pass one suite: ``DiskObjectStore`` and ``S3ObjectStore``. An object appears whole or not at
/// all; putting a key again replaces the object. No call holds a large object in memory, and every wait has an end.
public protocol ObjectStore: Sendable {
    /// Stores `content` under `key`. When it returns, the object is durable.
    ///
    /// - Throws: ``ObjectStoreFailure/wrongContent(_:)`` when the content is not what was said of it; nothing is
    ///   stored then.
    func put(_ key: ObjectKey, _ content: ObjectContent) async throws(ObjectStoreFailure)

    /// Reads an object, or the part of it in `range`, in pieces of at most a few hundred KiB, each of which is asked
    /// for when `body` has returned.
    ///
    /// A whole object is compared with its checksum. What `body` got counts only once this has returned.
    ///
    /// - Parameter range: within the object's size; `nil` for all of it.
    /// - Returns: what the store knows of the whole object.
    /// - Throws: ``ObjectStoreFailure``, or what `body` throws.
    @discardableResult
    func get(
        _ key: ObjectKey, range: Range<Int>?, _ body: (ByteBuffer) async throws -> Void
    ) async throws -> ObjectDescription

    /// What the store knows of an object; `nil` when there is none.
    func head(_ key: ObjectKey) async throws(ObjectStoreFailure) -> ObjectDescription?

    /// Deletes an object; one that is not there is as good as deleted.
    func delete(_ key: ObjectKey) async throws(ObjectStoreFailure)

    /// Objects whose keys begin with `prefix`, in the order of keys.
    ///
    /// - Parameters:
    ///   - prefix: see ``ObjectKey/isPrefix(_:)``.
    ///   - after: keys through this one are left out: the last key of the page before.
    ///   - limit: 1 to 1,000.
    func list(prefix: String, after: ObjectKey?, limit: Int) async throws(ObjectStoreFailure) -> ObjectPage
}

/// What a store knows of an object.
public struct ObjectDescription: Hashable, Sendable {
    /// Bytes.
    public var size: Int
    /// Absent for an object that somebody else has put there.
    public var checksum: ObjectChecksum?

    public init(size: Int, checksum: ObjectChecksum?) {
        self.size = size
        self.checksum = checksum
    }
}

/// A part of a listing.
public struct ObjectPage: Hashable, Sendable {
    public struct Item: Hashable, Sendable {
        public var key: ObjectKey
        public var size: Int
    }

    public var items: [Item]
    /// Whether keys follow after the last item.
    public var hasMore: Bool
}

extension ObjectStore {
    /// Reads a small object whole.
    ///
    /// - Throws: ``ObjectStoreFailure/tooLarge(_:)`` above `limit` bytes.
    public func collect(_ key: ObjectKey, limit: Int) async throws -> ByteBuffer {
        var content = ByteBuffer()
        try await get(key, range: nil) { piece in
            guard content.readableBytes + piece.readableBytes <= limit else {
                throw ObjectStoreFailure.tooLarge("\(key) has more than \(limit) bytes")
            }
            content.writeImmutableBuffer(piece)
        }
        return content
    }

    /// All objects whose keys begin with `prefix`, page after page.
    public func forEach(
        prefix: String, _ body: (ObjectPage.Item) async throws -> Void
    ) async throws {
        var last: ObjectKey?
        while true {
            let page = try await list(prefix: prefix, after: last, limit: 1_000)
            for item in page.items { try await body(item) }
            guard page.hasMore, let end = page.items.last else { return }
            last = end.key
        }
    }
}
