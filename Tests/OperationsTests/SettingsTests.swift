import Foundation
import Identity
import Testing

@testable import Operations

@Suite struct SettingsTests {
    /// Runs `body` with a file of `text`.
    private func withFile<Value>(_ text: String, _ body: (String) async throws -> Value) async throws -> Value {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString + ".yaml").path
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try await body(path)
    }

    private func problems(_ text: String, environment: [String: String] = [:], overrides: [String] = []) async throws
        -> [String]
    {
        try await withFile(text) { file in
            do throws(SettingsFailure) {
                let source = try await SettingsSource(file: file, environment: environment, overrides: overrides)
                _ = try NodeSettings(from: source)
                return []
            } catch {
                return error.problems.map { $0.replacingOccurrences(of: file, with: "FILE") }
            }
        }
    }

    private let minimal = """
        node:
          id: guild-1
          roles: [guild]
        cluster:
          coordinator: 127.0.0.1:7000
        data: /tmp/guild-1
        """

    @Test func aMinimalFileGivesDefaults() async throws {
        let settings = try await withFile(minimal) { file in
            try NodeSettings(from: try await SettingsSource(file: file, environment: [:]))
        }
        #expect(settings.process.nodeID.rawValue == "guild-1")
        #expect(settings.roles == [.guild])
        #expect(settings.coordinator == .embedded(Endpoint(host: "127.0.0.1", port: 7_000)))
        #expect(settings.process.listen == ProcessSettings.Listen(host: "127.0.0.1", port: 0))
        #expect(settings.process.weight == 100)
        #expect(settings.process.tls == nil)
        #expect(settings.gatewaySocket == "/tmp/guild-1/gateway.sock")
    }

    @Test func theCommandLineWinsOverTheEnvironmentAndThatOverTheFile() async throws {
        let settings = try await withFile(minimal + "\nlisten:\n  port: 1\nhealth:\n  port: 1\ngateway:\n  port: 1\n") {
            try NodeSettings(
                from: try await SettingsSource(
                    file: $0, environment: ["GUILDHALL_HEALTH_PORT": "2", "GUILDHALL_GATEWAY_PORT": "2"],
                    overrides: ["gateway.port=3", "node.roles=guild,gateway"]))
        }
        #expect(settings.process.listen.port == 1)
        #expect(settings.process.health.port == 2)
        #expect(settings.gateway.port == 3)
        #expect(settings.roles == [.guild, .gateway])
    }

    @Test func anOlderVersionOfTheProtocolCanBeAskedFor() async throws {
        func settings(_ overrides: [String]) async throws -> NodeSettings {
            try await withFile(minimal) {
                try NodeSettings(from: try await SettingsSource(file: $0, environment: [:], overrides: overrides))
            }
        }
        #expect(try await settings([]).process.protocolVersions == ProtocolVersion.all)
        #expect(try await settings(["transport.protocol-max=1"]).process.protocolVersions == 1...1)
        let newest = ProtocolVersion.newest
        for wrong in ["0", "\(newest + 1)", "new"] {
            #expect(
                try await problems(minimal, overrides: ["transport.protocol-max=\(wrong)"])
                    == ["transport.protocol-max: expected a number from 1 to \(newest), got \(wrong)"])
        }
    }

    @Test func aDiskCountsAsFullNotBeforeItFillsUp() async throws {
        let settings = try await withFile(minimal) {
            try NodeSettings(
                from: try await SettingsSource(
                    file: $0, environment: [:], overrides: ["disk.full-percent=90", "disk.ballast=64MiB"]))
        }
        #expect(settings.disk == .init(warningPercent: 85, fullPercent: 90, ballast: 64 << 20))
        #expect(
            try await problems(minimal, overrides: ["disk.full-percent=80"])
                == ["disk.warning-percent: at most disk.full-percent, 80"])
    }

    @Test func settingsNeedNoFile() async throws {
        let source = try await SettingsSource(
            file: nil, environment: ["GUILDHALL_NODE_ID": "r1", "GUILDHALL_DATA": "/tmp/r1"],
            overrides: ["http.body-limit=2MiB", "http.header-timeout=500ms", "cluster.test-clock=yes"])
        let settings = try RouterSettings(from: source)
        #expect(settings.http.bodyLimit == 2 << 20)
        #expect(settings.http.headerTimeout == .milliseconds(500))
        #expect(settings.hasTestClock)
        #expect(settings.coordinatorData == "/tmp/r1/coordinator")
        #expect(settings.coordinator == .embedded(nil))
    }

    @Test func allProblemsAreReportedAtOnce() async throws {
        let found = try await problems(
            """
            node:
              id: Guild One
              roles: [guild, cook]
              weight: heavy
            cluster:
              coordinator: nowhere
            listen:
              host: 0.0.0.0
              port: 70000
            log:
              level: loud
            """)
        let keys = [
            "node.id", "node.weight", "listen.port", "data", "log.level", "listen.host", "node.roles",
            "cluster.coordinator",
        ]
        #expect(found.count == keys.count)
        for key in keys { #expect(found.contains { $0.hasPrefix(key + ": ") }, "\(key) is not reported") }
    }

    @Test func unknownKeysAreReportedWithTheirLine() async throws {
        let found = try await problems(minimal + "\nlisten:\n  prot: 5\nfrobnicate: true\n")
        #expect(
            found == [
                "FILE:8: listen.prot: no such setting",
                "FILE:9: frobnicate: no such setting",
            ])
    }

    @Test func aMisplacedKeyIsSuggested() async throws {
        let found = try await problems(minimal + "\nlisten.hosts: 127.0.0.1\n")
        #expect(found == ["FILE:7: listen.hosts: no such setting; did you mean listen.host?"])
    }

    @Test func unknownEnvironmentVariablesAndOverridesAreReported() async throws {
        let found = try await problems(minimal, environment: ["GUILDHALL_LISTEN_PROT": "1"], overrides: ["a.b=1", "x"])
        #expect(found.count == 3)
        #expect(found.contains("environment variable GUILDHALL_LISTEN_PROT: names no setting"))
        #expect(found.contains("--set a.b: no such setting"))
        #expect(found.contains("--set x: expected KEY=VALUE"))
    }

    @Test(arguments: ["a: [", "- list", "a: 1\na: 2\nb: {"]) func brokenFilesAreRefused(_ text: String) async throws {
        #expect(try await !problems(text).isEmpty)
    }

    @Test func aMissingFileIsRefused() async {
        await #expect(throws: SettingsFailure.self) { try await SettingsSource(file: "/nonexistent/guildhall.yaml") }
    }

    @Test func halfOfTheTLSSettingsIsAProblem() async throws {
        let found = try await problems(minimal, overrides: ["tls.certificate=/etc/hostname"])
        #expect(found.map { $0.split(separator: ":")[0] } == ["tls.key", "tls.authority"])
    }

    @Test func aSocketPathBeyondLinuxsLimitIsAProblem() async throws {
        let found = try await problems(
            minimal, overrides: ["node.roles=gateway", "gateway.socket=/" + String(repeating: "x", count: 107)])
        #expect(found.count == 1 && found[0].hasPrefix("gateway.socket: "))
    }

    @Test func objectsLieOnDiskUnlessABucketIsNamed() async throws {
        func location(_ overrides: [String]) async throws -> String {
            try await withFile(minimal) { file in
                try NodeSettings(
                    from: try await SettingsSource(file: file, environment: [:], overrides: overrides)
                ).objects.location
            }
        }
        #expect(try await location([]).hasSuffix("/objects"))
        #expect(
            try await location([
                "objects.kind=s3", "objects.s3.bucket=b-1", "objects.s3.prefix=x/y", "objects.s3.region=eu-central-1",
                "objects.s3.endpoint=http://127.0.0.1:9000", "objects.s3.addressing=path",
            ]) == "s3://b-1/x/y?region=eu-central-1&endpoint=http://127.0.0.1:9000&addressing=path")
        let found = try await problems(
            minimal, overrides: ["objects.kind=s3", "objects.s3.credentials-file=/nonexistent/keys"])
        #expect(found.map { $0.split(separator: ":")[0] } == ["objects.s3.bucket", "objects.s3.credentials-file"])
    }

    @Test func theCheckSaysWhetherAProcessWouldStart() async throws {
        let good = try await withFile(minimal) { await ConfigurationCheck.node(file: $0, overrides: []) }
        #expect(good.exitCode == 0)
        let bad = try await withFile(minimal) { await ConfigurationCheck.node(file: $0, overrides: ["node.weight=0"]) }
        #expect(bad.exitCode == 78)
        #expect(bad.text.contains("node.weight"))
    }

    @Test(arguments: [
        ("host:1", Endpoint(host: "host", port: 1)), ("[::1]:80", Endpoint(host: "::1", port: 80)), ("::1:80", nil),
        ("host", nil), ("host:0", nil), (":80", nil), ("host:65536", nil),
    ]) func endpointsAreHostAndPort(_ text: String, _ endpoint: Endpoint?) {
        #expect(Endpoint(text) == endpoint)
    }
}
