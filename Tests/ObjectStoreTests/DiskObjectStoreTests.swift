import Foundation
import NIOCore
import Testing

@testable import ObjectStore

@Suite("Objects on the local disk")
struct DiskObjectStoreTests {
    func withFolder(_ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.path + "/objects-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body(folder)
    }

    @Test("a file that was changed, cut or is not ours is not given out as an object")
    func corrupt() async throws {
        try await withFolder { folder in
            let store = DiskObjectStore(folder: folder)
            let key = try #require(ObjectKey("x"))
            let bytes = ObjectStoreSuite.bytes(1_000)
            for change: (inout Data) -> Void in [
                { $0[500] ^= 1 }, { $0.removeLast() }, { $0 = Data("short".utf8) }, { $0[1_010] ^= 1 },
            ] {
                try await store.put(key, .bytes(bytes))
                let file = URL(fileURLWithPath: store.path(key))
                var data = try Data(contentsOf: file)
                change(&data)
                try data.write(to: file)
                await #expect(throws: ObjectStoreFailure.self) { try await store.get(key, range: nil) { _ in } }
            }
        }
    }

    @Test("a draft that a crash left is no object")
    func drafts() async throws {
        try await withFolder { folder in
            let store = DiskObjectStore(folder: folder)
            try await store.put(try #require(ObjectKey("x")), .bytes(ByteBuffer(string: "x")))
            try Data("half".utf8).write(to: URL(fileURLWithPath: folder + "/drafts/1234"))
            #expect(try await store.list(prefix: "", after: nil, limit: 10).items.map(\.key.text) == ["x"])
        }
    }

    @Test("a folder that cannot be made is an error that names it")
    func unwritable() async throws {
        let store = DiskObjectStore(folder: "/proc/nowhere")
        await #expect(throws: ObjectStoreFailure.self) {
            try await store.put(try #require(ObjectKey("x")), .bytes(ByteBuffer(string: "x")))
        }
    }
}
