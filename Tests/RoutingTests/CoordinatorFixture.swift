import Coordination
import Foundation
import Identity
import NIOCore
import Routing
import Transport

/// The ways to a coordinator that the suite runs over. A new implementation adds its case.
enum CoordinatorKind: CaseIterable, Sendable {
    case embedded
    /// The embedded one, behind ``CoordinatorService`` and ``RemoteCoordinator``.
    case remote
}

/// A coordinator in a folder of its own.
final class CoordinatorFixture: Sendable {
    static let router = NodeID(rawValue: "router-1")!

    let folder: String
    let embedded: EmbeddedCoordinator
    let network = LoopbackNetwork()
    let coordinator: any Coordinator

    init(_ kind: CoordinatorKind) throws {
        folder = NSTemporaryDirectory() + "coordinator-\(UUID().uuidString)"
        embedded = try EmbeddedCoordinator(directory: folder)
        switch kind {
        case .embedded: coordinator = embedded
        case .remote:
            let service = CoordinatorService(embedded)
            network.serve(CoordinatorFixture.router, handler: service, acceptor: service)
            coordinator = RemoteCoordinator(client: network, addresses: [CoordinatorFixture.address])
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    static let address = NodeAddress(node: router, host: "127.0.0.1", port: 1)
}

extension Coordinator {
    func put(_ key: String, _ value: String, lease: CoordinatorLease? = nil) async throws -> UInt64? {
        try await commit(CoordinatorTransaction(operations: [.put(key, ByteBuffer(string: value), lease: lease)]))
    }

    func delete(_ key: String) async throws -> UInt64? {
        try await commit(CoordinatorTransaction(operations: [.delete(key)]))
    }

    func value(_ key: String) async throws -> String? { try await get(key).map { String(buffer: $0.value) } }
}

/// The first `count` changes of a watch as `key=value`, or `key` alone for a deletion.
func take(_ count: Int, of watch: AsyncThrowingStream<CoordinatorChange, any Error>) async throws -> [String] {
    var taken: [String] = []
    for try await change in watch {
        taken.append(change.value.map { "\(change.key)=\(String(buffer: $0))" } ?? change.key)
        if taken.count == count { break }
    }
    return taken
}
