import ArgumentParser
import Coordination
import EtcdCoordination
import Foundation
import Operations

/// Which coordinator `cluster up` gives its processes.
enum PlannedCoordinator: Equatable, Sendable {
    /// The router's own.
    case embedded
    /// One etcd that is supervised like the others, with its data in the folder: for trying out.
    case supervised(clientPort: Int, peerPort: Int)
    /// Somebody else's etcd.
    case external(endpoints: [String], prefix: String)

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    static let etcdProgram = "/usr/bin/etcd"

    /// - Parameters:
    ///   - wish: `embedded`, `etcd` or `etcd:URL,…`; `nil` for that of the last start, else embedded.
    ///   - ports: for an etcd of the folder.
    static func choose(_ wish: String?, in folder: DataFolder, ports: (Int, Int)) async throws -> PlannedCoordinator {
        let last = await lastOne(in: folder, ports: ports)
        let chosen: PlannedCoordinator
        switch wish {
        case nil: chosen = last ?? .embedded
        case "embedded": chosen = .embedded
        case "etcd": chosen = .supervised(clientPort: ports.0, peerPort: ports.1)
        case let wish?:
            guard wish.hasPrefix("etcd:") else {
                throw Failure(description: "--coordinator is embedded, etcd, or etcd:URL[,URL...], not \(wish)")
            }
            let endpoints = wish.dropFirst(5).split(separator: ",").map(String.init)
            guard !endpoints.isEmpty, endpoints.allSatisfy({ EtcdEndpoint($0) != nil }) else {
                throw Failure(description: "--coordinator \(wish): expected URLs such as http://10.0.0.1:2379")
            }
            var prefix = EtcdSettings.standardPrefix
            if case .external(endpoints, let lastPrefix) = last { prefix = lastPrefix }
            chosen = .external(endpoints: endpoints, prefix: prefix)
        }
        try await check(chosen, after: last, in: folder)
        return chosen
    }

    /// What the router was last started with.
    private static func lastOne(in folder: DataFolder, ports: (Int, Int)) async -> PlannedCoordinator? {
        guard let source = try? await SettingsSource(file: folder.configuration(of: "router-1"), environment: [:]),
            let settings = try? CoordinatorSettings.read(from: source).0
        else { return nil }
        guard case .etcd(let etcd) = settings else { return .embedded }
        return FileManager.default.fileExists(atPath: folder.store(of: "etcd"))
            ? .supervised(clientPort: ports.0, peerPort: ports.1)
            : .external(endpoints: etcd.endpoints, prefix: etcd.prefix)
    }

    /// A coordinator that knows nothing of the folder's cluster would get a new one made, which the stores are not of.
    private static func check(_ chosen: PlannedCoordinator, after last: PlannedCoordinator?, in folder: DataFolder)
        async throws
    {
        if case .supervised = chosen, !FileManager.default.isExecutableFile(atPath: etcdProgram) {
            throw Failure(description: "\(etcdProgram) is missing: install etcd-server, as scripts/run does")
        }
        let own = folder.store(of: "router-1") + "/coordinator"
        let hasEmbedded = FileManager.default.fileExists(atPath: own)
        switch (chosen, last) {
        case (.embedded, .supervised), (.embedded, .external):
            if !hasEmbedded { throw Failure(description: "the cluster in \(folder.path) has etcd for its coordinator") }
        case (.supervised, .embedded) where hasEmbedded, (.external, .embedded) where hasEmbedded:
            let embedded = try EmbeddedCoordinator(directory: own)
            let isMoved = try await embedded.get(CoordinatorKey.movedTo) != nil
            await embedded.close()
            if !isMoved {
                throw Failure(
                    description: "the cluster in \(folder.path) has the embedded coordinator: move it with "
                        + "'guildctl coordinator migrate --data \(folder.path) --to etcd:URL' first")
            }
        case (.supervised, .external), (.external, .supervised):
            throw Failure(description: "the cluster in \(folder.path) has another etcd for its coordinator")
        default: break
        }
    }

    /// The settings of a router, or of a node.
    func settings(ofRouter isRouter: Bool, embeddedPort: Int) -> [(String, String)] {
        switch self {
        case .embedded: return isRouter ? [] : [("cluster.coordinator", "127.0.0.1:\(embeddedPort)")]
        case .supervised(let port, _):
            return [("coordinator.kind", "etcd"), ("coordinator.endpoints", "http://127.0.0.1:\(port)")]
        case .external(let endpoints, let prefix):
            return [
                ("coordinator.kind", "etcd"), ("coordinator.endpoints", endpoints.joined(separator: ",")),
                ("coordinator.prefix", prefix),
            ]
        }
    }

    /// etcd's configuration file; `nil` when none is to be started.
    func etcd(in folder: DataFolder) -> [(String, String)]? {
        guard case .supervised(let clientPort, let peerPort) = self else { return nil }
        let (client, peer) = ("http://127.0.0.1:\(clientPort)", "http://127.0.0.1:\(peerPort)")
        return [
            ("name", "etcd"), ("data-dir", folder.store(of: "etcd")), ("listen-client-urls", client),
            ("advertise-client-urls", client), ("listen-peer-urls", peer), ("initial-advertise-peer-urls", peer),
            ("initial-cluster", "etcd=\(peer)"), ("auto-compaction-mode", "periodic"),
            ("auto-compaction-retention", "1h"), ("logger", "zap"), ("log-level", "warn"),
        ]
    }
}
