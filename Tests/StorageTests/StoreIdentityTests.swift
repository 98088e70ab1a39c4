import Foundation
import Identity
import Storage
import Testing

@Suite struct StoreIdentityTests {
    let cluster = ClusterID(rawValue: String(repeating: "a", count: 32))!
    let other = ClusterID(rawValue: String(repeating: "b", count: 32))!

    @Test func aFolderKeepsItsStoreID() throws {
        let folder = try TemporaryFolder()
        let first = try Store(folder: folder.path, cluster: cluster).identity
        #expect(try Store(folder: folder.path, cluster: cluster).identity == first)
    }

    @Test func refusesAForeignClustersData() throws {
        let folder = try TemporaryFolder()
        _ = try Store(folder: folder.path, cluster: cluster)
        let failure = try #require(throws: StorageFailure.self) { try Store(folder: folder.path, cluster: other) }
        #expect(failure == .foreignCluster(path: folder.path, found: "\(cluster)", expected: "\(other)"))
    }

    @Test func refusesANewerDataFormatAndNamesBoth() throws {
        let folder = try TemporaryFolder()
        try Data("format 2\ncluster something-else\n".utf8).write(to: URL(fileURLWithPath: folder.path + "/STORE"))
        let failure = try #require(throws: StorageFailure.self) { try Store(folder: folder.path, cluster: cluster) }
        #expect(failure == .newerFormat(path: folder.path + "/STORE", found: 2, supported: 1))
        #expect("\(failure)".contains("data format 2, newer than 1"))
    }

    @Test(arguments: ["", "hello", "format x\n", "format 1\ncluster 12\n"])
    func refusesAStoreFileThatIsNotOurs(_ text: String) throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/STORE"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        #expect(throws: StorageFailure.unreadableIdentity(path: path)) {
            try Store(folder: folder.path, cluster: cluster)
        }
    }

    @Test func refusesDataWithoutAStoreFile() throws {
        let folder = try TemporaryFolder()
        _ = try Store(folder: folder.path, cluster: cluster)
        try FileManager.default.removeItem(atPath: folder.path + "/STORE")
        #expect(throws: StorageFailure.self) { try Store(folder: folder.path, cluster: cluster) }
    }

    @Test func refusesAFolderThatIsOpenElsewhere() throws {
        let folder = try TemporaryFolder()
        let store = try Store(folder: folder.path, cluster: cluster)
        #expect(throws: StorageFailure.self) { try Store(folder: folder.path, cluster: cluster) }
        withExtendedLifetime(store) {}
    }
}
