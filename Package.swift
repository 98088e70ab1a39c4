// swift-tools-version: 6.2
import PackageDescription

/// Settings of every Swift target: Swift 6 language mode comes from the tools version.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny")
]

/// Deliberate faults of the protocol, for the simulator to find: `scripts/simulate --mutations`. Never set for a build
/// that is to serve.
let mutations: [SwiftSetting] =
    Context.environment["GUILDHALL_MUTATIONS"] == "1" ? [.define("GUILDHALL_MUTATIONS")] : []

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let metrics: Target.Dependency = .product(name: "Metrics", package: "swift-metrics")
let tracing: Target.Dependency = .product(name: "Tracing", package: "swift-distributed-tracing")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")

func library(_ name: String, _ area: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/\(area)/\(name)", swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: dependencies, path: "Tests/\(name)Tests", exclude: exclude,
        swiftSettings: strict)
}

let package = Package(
    name: "guildhall",
    products: [
        .executable(name: "guildhall-node", targets: ["guildhall-node"]),
        .executable(name: "guildhall-router", targets: ["guildhall-router"]),
        .executable(name: "guildctl", targets: ["guildctl"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: ["YAML"]),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.3"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    ],
    targets: [
        // Cluster: what nodes and routers share.
        library("Identity", "Cluster", [crypto]),
        library("Wire", "Cluster", ["Identity", nioCore]),
        library("Placement", "Cluster", ["Identity", "Wire"]),
        library("Coordination", "Cluster", ["Identity", "Placement", "Wire", nioCore, crypto]),
        library(
            "EtcdCoordination", "Cluster",
            [
                "Coordination", "Operations", nioCore, nioPosix, .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
            ]),
        library(
            "Transport", "Cluster",
            [
                "Identity", "Wire", nioCore, nioPosix, .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOTLS", package: "swift-nio"), logging, metrics, tracing,
            ]),
        library(
            "Routing", "Cluster",
            ["Identity", "Wire", "Placement", "Coordination", "Transport", nioCore, logging, tracing]),
        library(
            "Control", "Cluster",
            ["Identity", "Wire", "Placement", "Coordination", "Transport", "Routing", nioCore, logging]),
        .target(
            name: "Replication", dependencies: ["Identity", "Placement", "Wire", nioCore],
            path: "Sources/Cluster/Replication", swiftSettings: strict + mutations),
        .systemLibrary(
            name: "CZlib", path: "Sources/Cluster/CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        library(
            "ObjectStore", "Cluster",
            [
                nioCore, nioPosix, crypto, .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOFoundationCompat", package: "swift-nio"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
            ]),
        library("Backup", "Cluster", ["CZlib", "Identity", "Wire", "Replication", "ObjectStore", nioCore]),
        library(
            "Operations", "Cluster",
            [
                "Identity", logging, metrics, tracing, nioCore, nioPosix,
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "Yams", package: "Yams"),
            ]),

        // Node: guildhall-node.
        .systemLibrary(
            name: "CRocksDB", path: "Sources/Node/CRocksDB", pkgConfig: nil, providers: [.apt(["librocksdb-dev"])]),
        .systemLibrary(
            name: "CLibUV", path: "Sources/Node/CLibUV", pkgConfig: "libuv", providers: [.apt(["libuv1-dev"])]),
        library("Storage", "Node", ["CRocksDB", "Domain", "Identity", "Wire", "Replication", nioCore, logging]),
        library("Domain", "Node", ["Identity", "Wire", nioCore]),
        library("DomainTesting", "Node", ["Domain", "Identity", "Wire", nioCore]),
        library("Guild", "Node", ["Domain", "Identity", "Wire", nioCore]),
        library(
            "User", "Node",
            [
                "Domain", "Identity", "Wire", nioCore, crypto,
                .product(name: "CryptoExtras", package: "swift-crypto"),
            ]),
        library(
            "Slots", "Node",
            [
                "Backup", "ObjectStore", "Domain", "Guild", "User", "Storage", "Replication", "Identity", "Wire",
                "Placement", "Coordination",
                "Transport", "Routing", "Operations", nioCore, nioPosix, logging, metrics, tracing,
                .product(name: "DequeModule", package: "swift-collections"),
            ]),
        library(
            "Gateway", "Node",
            [
                "CLibUV", "CZlib", "Domain", "Identity", "Wire", "Placement", "Coordination", "Transport", "Routing",
                "Operations", nioCore, nioPosix, logging, metrics, tracing, crypto,
                .product(name: "DequeModule", package: "swift-collections"),
            ]),
        .executableTarget(
            name: "guildhall-node",
            dependencies: [
                "Slots", "Gateway", "Routing", "Transport", "Coordination", "EtcdCoordination", "Operations",
                "ObjectStore", "Placement", "Identity", "Wire",
                .product(name: "ArgumentParser", package: "swift-argument-parser"), logging, nioCore, nioPosix,
            ],
            path: "Sources/Node/guildhall-node", swiftSettings: strict),

        // Router: guildhall-router.
        library(
            "Edge", "Router",
            [
                "Identity", "Wire", "Placement", "Coordination", "Control", "Transport", "Routing", "Operations",
                nioCore, nioPosix, logging, metrics, tracing, crypto,
                .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "NIOEmbedded", package: "swift-nio"),
            ]),
        .executableTarget(
            name: "guildhall-router",
            dependencies: [
                "Control", "Edge", "Routing", "Transport", "Coordination", "EtcdCoordination", "Operations",
                "Placement",
                "Identity", "Wire",
                .product(name: "ArgumentParser", package: "swift-argument-parser"), logging, nioCore, nioPosix,
            ],
            path: "Sources/Router/guildhall-router", swiftSettings: strict),

        // The operator's CLI.
        .executableTarget(
            name: "guildctl",
            dependencies: [
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                "Backup", "ObjectStore", "Identity", "Coordination", "EtcdCoordination", "Operations", "Routing",
                nioCore, nioPosix, crypto,
                .product(name: "NIOFoundationCompat", package: "swift-nio"),
            ],
            path: "ops/guildctl", swiftSettings: strict),

        tests("guildctl", ["guildctl", "Coordination", nioCore]),
        // Durable commands a second of the slots' runtime alone: `swift build -c release --product slot-writes`.
        .executableTarget(
            name: "slot-writes",
            dependencies: [
                "Slots", "Coordination", "Domain", "Routing", "Placement", "Identity", "Wire", logging, nioCore,
            ],
            path: "Benchmarks/slot-writes", swiftSettings: strict),

        // What Autobahn's fuzzing client talks to: the gateway's WebSocket core as an echo server.
        .executableTarget(
            name: "websocket-echo", dependencies: ["Gateway", nioCore, nioPosix], path: "Tests/Autobahn/echo",
            swiftSettings: strict),

        tests("Identity", ["Identity"]),
        tests("Wire", ["Wire", "Identity", nioCore], exclude: ["Vectors"]),
        tests("Placement", ["Placement", "Identity"]),
        tests("Coordination", ["Coordination", "Placement", "Identity", "Wire", nioCore]),
        tests("Transport", ["Transport", "Wire", "Identity", nioCore, nioPosix, logging, metrics, tracing]),
        tests(
            "Routing",
            [
                "Routing", "Transport", "Coordination", "EtcdCoordination", "Placement", "Identity", "Wire", nioCore,
                nioPosix, logging,
            ]),
        tests("EtcdCoordination", ["EtcdCoordination", "Coordination", nioCore]),
        tests(
            "Control",
            ["Control", "Routing", "Coordination", "Placement", "Identity", "Transport", "Wire", nioCore, logging]),
        tests("Replication", ["Replication", "Identity", "Placement", "Wire", nioCore]),
        // The deterministic simulator of replication: `scripts/simulate`.
        .target(
            name: "Simulation", dependencies: ["Replication", "Identity", "Placement"], path: "Tests/Simulation/World",
            swiftSettings: strict + mutations),
        .executableTarget(
            name: "simulate",
            dependencies: ["Simulation", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            path: "Tests/Simulation/simulate", swiftSettings: strict),
        tests("Simulation", ["Simulation"]),
        tests(
            "ObjectStore",
            ["ObjectStore", nioCore, nioPosix, .product(name: "NIOHTTP1", package: "swift-nio")]),
        tests("Backup", ["Backup", "ObjectStore", "Replication", "Identity", "Wire", nioCore]),
        tests("Operations", ["Operations", "Identity", logging, metrics, tracing, nioCore, nioPosix]),
        tests("Storage", ["Storage", "Domain", "Replication", "Identity", "Wire", nioCore]),
        tests("Domain", ["Domain", "DomainTesting", "Identity", "Wire", nioCore]),
        tests("Guild", ["Guild", "Domain", "DomainTesting", "Identity", "Wire", nioCore]),
        tests("User", ["User", "Domain", "DomainTesting", "Identity", "Wire", nioCore]),
        tests(
            "Slots",
            [
                "Slots", "Backup", "ObjectStore", "Domain", "Storage", "Replication", "Identity", "Wire", "Placement",
                "Coordination", "Routing",
                "Transport", nioCore, nioPosix, logging,
            ]),
        tests(
            "Gateway",
            [
                "Gateway", "CZlib", "Coordination", "Domain", "Identity", "Operations", "Placement", "Routing",
                "Transport",
                "Wire", logging, nioCore, nioPosix,
            ], exclude: ["Vectors"]),
        tests(
            "Version",
            [
                "Coordination", "Domain", "Gateway", "Guild", "Identity", "Placement", "Replication", "Routing",
                "Slots", "Storage", "User", "Wire", nioCore,
            ], exclude: ["Vectors"]),
        tests(
            "Edge",
            [
                "Edge", "Identity", "Wire", "Placement", "Routing", "Coordination", "Operations", nioCore, nioPosix,
                logging, tracing,
                .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "NIOEmbedded", package: "swift-nio"),
            ]),
    ]
)
