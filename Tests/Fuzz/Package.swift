// swift-tools-version: 6.2
import PackageDescription

// The fuzzer of the decoders that read what peers send; run it by scripts/fuzz. A package of its own, so that normal
// builds never see it. It compiles the main package's sources, by symbolic links, and of them only what has no I/O: so
// that a first build takes a minute.
let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny")
]
let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")

let package = Package(
    name: "fuzz",
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-service-context", from: "1.5.1"),
    ],
    targets: [
        .target(
            name: "Identity", path: "Sources/Identity", exclude: ["Token.swift", "DirectoryName.swift"],
            swiftSettings: strict),
        .target(name: "Wire", dependencies: ["Identity", nioCore], path: "Sources/Wire", swiftSettings: strict),
        .target(
            name: "Transport",
            dependencies: [
                "Identity", "Wire", nioCore, .product(name: "ServiceContextModule", package: "swift-service-context"),
            ],
            path: "Sources/Transport",
            sources: [
                "Interface.swift", "TransportLimits.swift", "Handshake.swift", "ConnectionState.swift",
                "ConnectionState+Calls.swift", "ConnectionState+Streams.swift", "ConnectionState+Frames.swift",
            ],
            swiftSettings: strict + [.unsafeFlags(["-enable-testing"])]),
        .executableTarget(
            name: "FuzzDecoders", dependencies: ["Transport", "Wire", "Identity", nioCore],
            path: "Sources/FuzzDecoders", swiftSettings: strict + [.unsafeFlags(["-parse-as-library"])]),
    ]
)
