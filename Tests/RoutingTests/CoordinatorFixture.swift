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
    /// Three real members on loopback.
    case etcd

    /// Those that start at once, in this process.
    static let local: [CoordinatorKind] = [.embedded, .remote]
    static var available: [CoordinatorKind] { allCases.filter { $0 != .etcd || EtcdCluster.isAvailable } }
}

/// A coordinator in a folder of its own, whose leases end when the test moves its clock.
final class CoordinatorFixture: Sendable {
    static let router = NodeID(rawValue: "router-1")!

    let folder: String
    let embedded: EmbeddedCoordinator
    let network = LoopbackNetwork()
    let clock = ManualClock()
    let coordinator: any Coordinator

    init(_ kind: CoordinatorKind) throws {
        folder = NSTemporaryDirectory() + "coordinator-\(UUID().uuidString)"
        var settings = EmbeddedCoordinator.Settings()
        settings.leaseInterval = .milliseconds(10)
        // The clock's jumps are no stalls.
        settings.longestStall = .seconds(86_400)
        embedded = try EmbeddedCoordinator(directory: folder, settings: settings, clock: clock.leases)
        switch kind {
        case .embedded: coordinator = embedded
        case .etcd: preconditionFailure("SuiteCoordinator starts etcd: it takes time")
        case .remote:
            let service = CoordinatorService(embedded)
            network.serve(CoordinatorFixture.router, handler: service, acceptor: service)
            var settings = RemoteCoordinator.Settings()
            settings.timeout = .seconds(120)
            coordinator = RemoteCoordinator(
                client: network, addresses: [CoordinatorFixture.address], settings: settings)
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
