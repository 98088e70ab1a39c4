import Foundation
import Testing

@testable import Operations

@Suite struct CoordinatorSettingsTests {
    private let common = ["node.id=r1", "data=/tmp/r1"]

    private func router(_ overrides: [String]) async throws -> CoordinatorSettings {
        let source = try await SettingsSource(file: nil, environment: [:], overrides: common + overrides)
        return try RouterSettings(from: source).coordinator
    }

    /// The names of the settings at fault.
    private func problems(_ overrides: [String]) async throws -> [String] {
        do throws(SettingsFailure) {
            let source = try await SettingsSource(file: nil, environment: [:], overrides: common + overrides)
            _ = try RouterSettings(from: source)
            return []
        } catch { return error.problems.map { String($0.prefix { $0 != ":" }) } }
    }

    private func withPassword<Value>(_ text: String, _ body: (String) async throws -> Value) async throws -> Value {
        let path = NSTemporaryDirectory() + UUID().uuidString
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try await body(path)
    }

    @Test func etcdIsChosenWithItsMembers() async throws {
        let found = try await router([
            "coordinator.kind=etcd", "coordinator.endpoints=http://10.0.0.1:2379, https://[::1]:2379",
        ])
        #expect(
            found
                == .etcd(
                    .init(endpoints: ["http://10.0.0.1:2379", "https://[::1]:2379"], prefix: "/guildhall/")))
    }

    @Test func aPasswordIsTheFirstLineOfItsFile() async throws {
        let found = try await withPassword("open sesame\nsecond") { path in
            try await router([
                "coordinator.kind=etcd", "coordinator.endpoints=http://a:1", "coordinator.prefix=/x/",
                "coordinator.user=hall", "coordinator.password-file=\(path)",
            ])
        }
        #expect(
            found == .etcd(.init(endpoints: ["http://a:1"], prefix: "/x/", user: "hall", password: "open sesame")))
    }

    @Test func anEmptyPasswordIsAFault() async throws {
        let found = try await withPassword("\n") { path in
            try await problems([
                "coordinator.kind=etcd", "coordinator.endpoints=http://a:1", "coordinator.user=hall",
                "coordinator.password-file=\(path)",
            ])
        }
        #expect(found == ["coordinator.password-file"])
    }

    @Test(arguments: [
        (["coordinator.kind=zookeeper"], "coordinator.kind"),
        (["coordinator.kind=etcd"], "coordinator.endpoints"),
        (["coordinator.kind=etcd", "coordinator.endpoints=a:1"], "coordinator.endpoints"),
        (["coordinator.kind=etcd", "coordinator.endpoints=http://a:1/v3"], "coordinator.endpoints"),
        (["coordinator.kind=etcd", "coordinator.endpoints=http://a:1", "coordinator.prefix=x"], "coordinator.prefix"),
        (
            ["coordinator.kind=etcd", "coordinator.endpoints=http://a:1", "coordinator.user=x"],
            "coordinator.password-file"
        ),
        (
            ["coordinator.kind=etcd", "coordinator.endpoints=http://a:1", "cluster.coordinator=a:1"],
            "cluster.coordinator"
        ),
        (
            ["coordinator.kind=etcd", "coordinator.endpoints=http://a:1", "coordinator.tls.authority=/etc/passwd"],
            "coordinator.tls.authority"
        ),
        (
            ["coordinator.kind=etcd", "coordinator.endpoints=https://a:1", "coordinator.tls.key=/etc/passwd"],
            "coordinator.tls.certificate"
        ),
        (["coordinator.endpoints=http://a:1"], "coordinator.endpoints"),
        (["coordinator.prefix=/x/"], "coordinator.prefix"),
    ])
    func whatDoesNotFitIsNamed(overrides: [String], key: String) async throws {
        #expect(try await problems(overrides) == [key])
    }

    @Test func aNodeNeedsAnAddressOrEtcd() async throws {
        let overrides = ["node.id=g1", "data=/tmp/g1", "node.roles=guild"]
        let bare = try await SettingsSource(file: nil, environment: [:], overrides: overrides)
        #expect(throws: SettingsFailure.self) { try NodeSettings(from: bare) }
        let source = try await SettingsSource(
            file: nil, environment: [:],
            overrides: overrides + ["coordinator.kind=etcd", "coordinator.endpoints=http://a:1"])
        #expect(
            try NodeSettings(from: source).coordinator
                == .etcd(.init(endpoints: ["http://a:1"], prefix: "/guildhall/")))
    }
}
