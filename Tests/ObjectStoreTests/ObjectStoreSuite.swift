import Foundation
import NIOCore
import Testing

@testable import ObjectStore

/// What every object store promises, tried on each.
@Suite("Every object store")
struct ObjectStoreSuite {
    enum Kind: String, CaseIterable, Sendable { case disk, s3 }

    /// The S3 store needs a server; `scripts/test` always has one.
    static let kinds: [Kind] = MotoServer.environment == nil ? [.disk] : Kind.allCases

    /// Runs `body` with an empty store; small parts, so that a large object is not very large. S3 wants 5 MiB.
    func withStore(_ kind: Kind, _ body: (any ObjectStore) async throws -> Void) async throws {
        switch kind {
        case .disk:
            let folder = FileManager.default.temporaryDirectory.path + "/objects-\(UUID().uuidString)"
            defer { try? FileManager.default.removeItem(atPath: folder) }
            try await body(DiskObjectStore(folder: folder))
        case .s3: try await body(try await MotoServer.shared.store { $0.limits.partSize = 5 << 20 })
        }
    }

    @Test("the S3 half of this suite runs", .enabled(if: MotoServer.environment != nil, MotoServer.comment))
    func hasServer() { #expect(Self.kinds.contains(.s3)) }

    func key(_ text: String) throws -> ObjectKey { try #require(ObjectKey(text)) }

    /// Bytes that do not repeat early, so that a part in the wrong place shows.
    static func bytes(_ count: Int, seed: UInt64 = 1) -> ByteBuffer {
        var state = seed
        var buffer = ByteBuffer()
        buffer.reserveCapacity(count + 8)
        while buffer.readableBytes < count {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            buffer.writeInteger(state)
        }
        return buffer.readSlice(length: count) ?? ByteBuffer()
    }

    @Test("gives back what was put, whatever its size", arguments: kinds, [0, 1, 4_096, 300_000, 12_345_678])
    func roundTrip(_ kind: Kind, _ size: Int) async throws {
        try await withStore(kind) { store in
            let key = try key("a/b-\(size)")
            let bytes = Self.bytes(size)
            try await store.put(key, .bytes(bytes))
            let expected = ObjectDescription(size: size, checksum: ObjectChecksum(of: bytes))
            #expect(try await store.head(key) == expected)
            var read = ByteBuffer()
            let description = try await store.get(key, range: nil) { read.writeImmutableBuffer($0) }
            #expect(read == bytes && description == expected)
        }
    }

    @Test("takes a stream and a file in pieces", arguments: kinds)
    func sources(_ kind: Kind) async throws {
        try await withStore(kind) { store in
            let bytes = Self.bytes(11 << 20)
            let stream = ObjectContent.stream(size: bytes.readableBytes, checksum: ObjectChecksum(of: bytes)) {
                AsyncThrowingStream { continuation in
                    var rest = bytes
                    while let piece = rest.readSlice(length: min(777_777, rest.readableBytes)), piece.readableBytes > 0
                    {
                        continuation.yield(piece)
                    }
                    continuation.finish()
                }
            }
            try await store.put(try key("stream"), stream)
            let path = FileManager.default.temporaryDirectory.path + "/file-\(UUID().uuidString)"
            try Data(bytes.readableBytesView).write(to: URL(fileURLWithPath: path))
            defer { try? FileManager.default.removeItem(atPath: path) }
            try await store.put(try key("file"), try await .file(path))
            for name in ["stream", "file"] {
                let key = try key(name)
                #expect(try await store.collect(key, limit: 12 << 20) == bytes)
            }
        }
    }

    @Test("reads a range", arguments: kinds, [0..<1, 99..<100_001, 299_999..<300_000, 5..<5, 0..<300_000])
    func ranges(_ kind: Kind, _ range: Range<Int>) async throws {
        try await withStore(kind) { store in
            let bytes = Self.bytes(300_000)
            try await store.put(try key("x"), .bytes(bytes))
            var read = ByteBuffer()
            try await store.get(try key("x"), range: range) { read.writeImmutableBuffer($0) }
            #expect(Array(read.readableBytesView) == Array(Array(bytes.readableBytesView)[range]))
            await #expect(throws: ObjectStoreFailure.self) {
                try await store.get(try key("x"), range: 0..<300_001) { _ in }
            }
        }
    }

    @Test("says what is not there, and deletes it without complaint", arguments: kinds)
    func missing(_ kind: Kind) async throws {
        try await withStore(kind) { store in
            let key = try key("no")
            #expect(try await store.head(key) == nil)
            await #expect(throws: ObjectStoreFailure.notFound(key)) {
                try await store.get(key, range: nil) { _ in }
            }
            try await store.delete(key)
            #expect(try await store.list(prefix: "", after: nil, limit: 10).items.isEmpty)
        }
    }

    @Test("replaces and deletes", arguments: kinds)
    func replaced(_ kind: Kind) async throws {
        try await withStore(kind) { store in
            let key = try key("dir/x")
            try await store.put(key, .bytes(ByteBuffer(string: "one")))
            try await store.put(key, .bytes(ByteBuffer(string: "three")))
            #expect(try await store.collect(key, limit: 10) == ByteBuffer(string: "three"))
            await #expect(throws: ObjectStoreFailure.self) { try await store.collect(key, limit: 4) }
            try await store.delete(key)
            #expect(try await store.head(key) == nil)
            try await store.put(key, .bytes(ByteBuffer(string: "again")))
            #expect(try await store.head(key)?.size == 5)
        }
    }

    @Test("lists by prefix in the order of keys, page after page", arguments: kinds)
    func listing(_ kind: Kind) async throws {
        try await withStore(kind) { store in
            let names = ["a", "a-b", "a.b/c", "a/b", "a/b/c", "a/c", "a0", "b/1", "b/10", "b/2", "c"]
            for name in names.shuffled() { try await store.put(try key(name), .bytes(ByteBuffer(string: name))) }
            for prefix in ["", "a", "a/", "a/b", "b/1", "b", "zz"] {
                let expected = names.filter { $0.hasPrefix(prefix) }
                for limit in [1, 2, 1_000] {
                    var found: [String] = []
                    var last: ObjectKey?
                    while true {
                        let page = try await store.list(prefix: prefix, after: last, limit: limit)
                        #expect(page.items.count <= limit)
                        #expect(page.items.allSatisfy { $0.size == $0.key.text.utf8.count })
                        found += page.items.map(\.key.text)
                        last = page.items.last?.key ?? last
                        if !page.hasMore { break }
                    }
                    #expect(found == expected, "prefix \(prefix), pages of \(limit)")
                }
            }
            await #expect(throws: ObjectStoreFailure.self) { try await store.list(prefix: "../", after: nil, limit: 1) }
        }
    }

    @Test("stores nothing when the content is not what was said of it", arguments: kinds, [100, 6 << 20])
    func wrongContent(_ kind: Kind, _ size: Int) async throws {
        try await withStore(kind) { store in
            let key = try key("x")
            let bytes = Self.bytes(size)
            let other = ObjectChecksum(of: Self.bytes(size, seed: 2))
            let lies = [(size, other), (size - 1, ObjectChecksum(of: bytes)), (size + 1, ObjectChecksum(of: bytes))]
            for (size, checksum) in lies {
                let content = ObjectContent.stream(size: size, checksum: checksum) {
                    AsyncThrowingStream { continuation in
                        continuation.yield(bytes)
                        continuation.finish()
                    }
                }
                await #expect(throws: ObjectStoreFailure.self) { try await store.put(key, content) }
                #expect(try await store.head(key) == nil)
            }
            #expect(try await store.list(prefix: "", after: nil, limit: 10).items.isEmpty)
        }
    }

    @Test("bears many at once", arguments: kinds)
    func concurrent(_ kind: Kind) async throws {
        try await withStore(kind) { store in
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for number in 0..<40 {
                    tasks.addTask {
                        let key = try key("many/\(number % 4)/\(number)")
                        try await store.put(key, .bytes(Self.bytes(number * 100, seed: UInt64(number))))
                        if number % 2 == 0 { try await store.delete(key) }
                    }
                }
                try await tasks.waitForAll()
            }
            #expect(try await store.list(prefix: "many/", after: nil, limit: 1_000).items.count == 20)
        }
    }
}
