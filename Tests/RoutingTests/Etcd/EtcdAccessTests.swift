import Coordination
import EtcdCoordination
import Foundation
import NIOCore
import Testing

/// Certificates, users, quotas and large listings at a real etcd.
@Suite(.serialized, .enabled(if: EtcdCluster.isAvailable), .timeLimit(.minutes(5))) struct EtcdAccessTests {
    /// Certificates of one authority, made by the openssl command.
    private struct Certificates {
        let folder = NSTemporaryDirectory() + "etcd-tls-\(UUID().uuidString)"

        init() throws {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try make("ca", ["-subj", "/CN=ca"])
            // While etcd has users, its gateway refuses clients whose certificates have a common name.
            for (name, subject) in [("server", "/CN=server"), ("client", "/O=hall"), ("named", "/CN=hall")] {
                // The gateway is a client of its own server, with the server's certificate.
                try make(
                    name,
                    [
                        "-subj", subject, "-CA", path("ca.pem"), "-CAkey", path("ca.key"),
                        "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "extendedKeyUsage=serverAuth,clientAuth",
                        "-addext", "basicConstraints=critical,CA:FALSE",
                    ])
            }
        }

        func path(_ name: String) -> String { "\(folder)/\(name)" }
        func remove() { try? FileManager.default.removeItem(atPath: folder) }

        private func make(_ name: String, _ arguments: [String]) throws {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
            process.arguments =
                [
                    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-keyout", path("\(name).key"), "-out", path("\(name).pem"),
                ] + arguments
            process.standardError = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            try #require(process.terminationStatus == 0)
        }
    }

    @Test func withCertificatesUserAndPasswordAllWorksAndWithoutOneNothingDoes() async throws {
        let certificates = try Certificates()
        defer { certificates.remove() }
        let tls = EtcdSettings.TLS(
            authority: certificates.path("ca.pem"), certificate: certificates.path("client.pem"),
            key: certificates.path("client.key"))
        let etcd = try await EtcdCluster(
            members: 1,
            .init(
                arguments: [
                    "--cert-file", certificates.path("server.pem"), "--key-file", certificates.path("server.key"),
                    "--trusted-ca-file", certificates.path("ca.pem"), "--client-cert-auth", "--bcrypt-cost", "4",
                    "--auth-token-ttl", "1",
                ], tls: tls, isEncrypted: true))
        try await enableUsers(etcd)
        var settings = etcd.settings(prefix: "/hall/")
        settings.user = .init(name: "hall", password: "secret")
        settings.timeout = .seconds(2)
        let coordinator = try etcd.coordinator(settings)
        let start = try #require(try await coordinator.put("a", "1"))
        let watch = Task { try await take(2, of: coordinator.watch(prefix: "", after: start)) }
        let lease = try await coordinator.grantLease(.seconds(30))
        _ = try await coordinator.put("a", "2", lease: lease)
        // The token ends after a second without use, and with the process: all goes on with new ones.
        try await Task.sleep(for: .milliseconds(2_500))
        try await coordinator.keepAlive(lease)
        etcd.members[0].kill()
        try await etcd.members[0].start()
        try await etcd.serve()
        _ = try await coordinator.put("b", "3")
        #expect(try await watch.value == ["a=2", "b=3"])
        #expect(try await coordinator.list(prefix: "").entries.map(\.key) == ["a", "b"])
        await coordinator.close()

        settings.user = .init(name: "hall", password: "wrong")
        #expect(try await failure(etcd, settings)?.contains("invalid user ID or password") == true)
        settings.user = nil
        let nameless = try await failure(etcd, settings)
        #expect(nameless?.contains("coordinator.user") == true, "\(nameless ?? "")")
        settings.user = .init(name: "hall", password: "secret")
        settings.prefix = "/others/"
        #expect(try await failure(etcd, settings)?.contains("permission denied") == true)
        settings.prefix = "/hall/"
        settings.tls.authority = nil
        #expect(try await failure(etcd, settings)?.contains("TLS") == true)
        settings.tls = .init(
            authority: certificates.path("ca.pem"), certificate: certificates.path("named.pem"),
            key: certificates.path("named.key"))
        #expect(try await failure(etcd, settings)?.contains("common name") == true)
        settings.tls = .init(authority: certificates.path("ca.pem"))
        #expect(try await failure(etcd, settings) != nil)
    }

    /// A user who may touch only the keys below /hall/.
    private func enableUsers(_ etcd: EtcdCluster) async throws {
        func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }
        for (name, password) in [("root", "root"), ("hall", "secret")] {
            _ = try await etcd.call("auth/user/add", #"{"name":"\#(name)","password":"\#(password)"}"#)
            _ = try await etcd.call("auth/role/add", #"{"name":"\#(name)"}"#)
            _ = try await etcd.call("auth/user/grant", #"{"user":"\#(name)","role":"\#(name)"}"#)
        }
        let range = #""key":"\#(base64("/hall/"))","range_end":"\#(base64("/hall0"))""#
        _ = try await etcd.call(
            "auth/role/grant", #"{"name":"hall","perm":{"permType":"READWRITE",\#(range)}}"#)
        _ = try await etcd.call("auth/enable", "{}")
    }

    /// What a get, and a watch, fail with; the watch only where the get is refused for good.
    private func failure(_ etcd: EtcdCluster, _ settings: EtcdSettings) async throws -> String? {
        let coordinator = try etcd.coordinator(settings)
        var found: String?
        do { _ = try await coordinator.get("a") } catch { found = "\(error)" }
        if found?.hasPrefix("invalid") == true {
            await #expect(throws: CoordinatorFailure.self) {
                _ = try await take(1, of: coordinator.watch(prefix: "", after: 1))
            }
        }
        await coordinator.close()
        return found
    }

    @Test func aDatabaseAtItsQuotaIsReportedAndReadsGoOn() async throws {
        let etcd = try await EtcdCluster(members: 1, .init(arguments: ["--quota-backend-bytes", "1000000"]))
        let coordinator = try etcd.coordinator()
        var reason: String?
        for number in 0..<40 where reason == nil {
            do {
                _ = try await coordinator.put("k\(number)", String(repeating: "x", count: 100_000))
            } catch {
                guard case .unavailable(let text)? = error as? CoordinatorFailure else { throw error }
                reason = text
            }
        }
        #expect(reason?.contains("alarm NOSPACE") == true)
        #expect(try await coordinator.value("k0")?.count == 100_000)
        let status = try await coordinator.status()
        #expect(status.alarms.contains { $0.contains("NOSPACE") })
        await coordinator.close()
    }

    @Test func aListingOfManyLargeValuesIsPagedAtOneRevision() async throws {
        let etcd = try await EtcdCluster.shared()
        let coordinator = try etcd.coordinator()
        // More than an answer's bound, and more than a page's keys.
        let large = ByteBuffer(string: String(repeating: "x", count: CoordinatorLimits.maximumValueLength))
        for number in 0..<30 {
            _ = try await coordinator.commit(
                CoordinatorTransaction(operations: [.put("slots/\(1_000 + number)", large, lease: nil)]))
        }
        for batch in 0..<20 {
            _ = try await coordinator.commit(
                CoordinatorTransaction(
                    operations: (0..<60).map {
                        .put("slots/\(2_000 + batch * 60 + $0)", ByteBuffer(string: "0"), lease: nil)
                    }))
        }
        // All small rows change together, again and again, while the listing is read.
        let writer = Task {
            for round in 1... {
                if Task.isCancelled { return }
                _ = try await coordinator.commit(
                    CoordinatorTransaction(operations: [
                        .put("slots/2000", ByteBuffer(string: "\(round)"), lease: nil),
                        .put("slots/3199", ByteBuffer(string: "\(round)"), lease: nil),
                    ]))
            }
        }
        for _ in 0..<5 {
            let listing = try await coordinator.list(prefix: "slots/")
            #expect(listing.entries.count == 30 + 1_200)
            #expect(listing.entries.map(\.key) == listing.entries.map(\.key).sorted())
            #expect(listing.entries[30].value == listing.entries.last?.value)
            #expect(listing.entries.allSatisfy { $0.revision <= listing.revision })
        }
        writer.cancel()
        _ = try? await writer.value
        await coordinator.close()
    }

    @Test func clustersWithPrefixesOfTheirOwnDoNotSeeEachOther() async throws {
        let etcd = try await EtcdCluster.shared()
        let one = try etcd.coordinator(etcd.settings(prefix: "/one/"))
        let other = try etcd.coordinator(etcd.settings(prefix: "/one.other/"))
        let start = try #require(try await one.put("k", "1"))
        _ = try await other.put("k", "2")
        #expect(try await one.value("k") == "1")
        #expect(try await other.list(prefix: "").entries.map(\.key) == ["k"])
        let watch = Task { try await take(1, of: one.watch(prefix: "", after: start)) }
        _ = try await other.put("k", "3")
        _ = try await one.put("k", "4")
        #expect(try await watch.value == ["k=4"])
        await one.close()
        await other.close()
    }
}
