import Foundation
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import EtcdCoordination

/// A real etcd on loopback, with members that tests may kill.
final class EtcdCluster: Sendable {
    static let program = "/usr/bin/etcd"

    /// `scripts/test` installs etcd, and sets this so that nothing is left out.
    static let isRequired = ProcessInfo.processInfo.environment["TESTS_REQUIRE_ETCD"] == "1"
    /// Where etcd is neither installed nor required, its tests are left out, and say so.
    static let isAvailable: Bool = {
        if FileManager.default.isExecutableFile(atPath: program) || isRequired { return true }
        FileHandle.standardError.write(
            Data("\n*** TESTS LEFT OUT: no \(program). Install etcd-server (scripts/test does). ***\n\n".utf8))
        return false
    }()

    /// A cluster for tests that harm nothing.
    static func shared() async throws -> EtcdCluster { try await sharing.value }
    private static let sharing = Task {
        let cluster = try await EtcdCluster(members: 3)
        atLast.withLock { $0 = cluster }
        // A static value is never let go of, and the members' folders are large.
        atexit { EtcdCluster.atLast.withLock { $0 }?.end() }
        return cluster
    }
    private static let atLast = Mutex<EtcdCluster?>(nil)

    struct Options: Sendable {
        var arguments: [String] = []
        var tls = EtcdSettings.TLS()
        var isEncrypted = false
    }

    let folder: String
    let members: [EtcdMember]
    let options: Options

    init(members count: Int, _ options: Options = Options()) async throws {
        guard FileManager.default.isExecutableFile(atPath: EtcdCluster.program) else {
            throw EtcdMember.Failure(description: "\(EtcdCluster.program) is missing: install etcd-server")
        }
        self.options = options
        var attempt = 0
        while true {
            attempt += 1
            let folder = NSTemporaryDirectory() + "etcd-\(UUID().uuidString)"
            let members = try EtcdCluster.members(count, folder, options)
            do {
                for member in members { try await member.start() }
                try await EtcdCluster.serve(members, options)
            } catch  where attempt < 3 {
                // Somebody else may have taken one of the ports.
                for member in members { member.kill() }
                try? FileManager.default.removeItem(atPath: folder)
                continue
            }
            self.folder = folder
            self.members = members
            return
        }
    }

    deinit { end() }

    private func end() {
        for member in members { member.kill() }
        try? FileManager.default.removeItem(atPath: folder)
    }

    private static func members(_ count: Int, _ folder: String, _ options: Options) throws -> [EtcdMember] {
        let ports = try Ports.assigned(count * 2)
        let names = (0..<count).map { "m\($0)" }
        let peers = (0..<count).map { "\(names[$0])=http://127.0.0.1:\(ports[2 * $0 + 1])" }.joined(separator: ",")
        return (0..<count).map { index in
            EtcdMember(
                name: names[index], folder: "\(folder)/\(names[index])",
                ports: (ports[2 * index], ports[2 * index + 1]), isEncrypted: options.isEncrypted,
                arguments: ["--initial-cluster", peers] + options.arguments)
        }
    }

    /// Waits until each member answers a linearizable read, or refuses it for want of a user.
    private static func serve(_ members: [EtcdMember], _ options: Options) async throws {
        for member in members {
            var settings = EtcdSettings(endpoints: [member.endpoint])
            settings.tls = options.tls
            let transport = try EtcdTransport(settings, group: MultiThreadedEventLoopGroup.singleton)
            let codec = EtcdCodec(prefix: "/")
            let limit = NIODeadline.now() + .seconds(30)
            while true {
                do {
                    _ = try await transport.call(
                        "kv/range", codec.probe(), token: nil, at: member.endpoint, deadline: .now() + .seconds(2))
                    break
                } catch .refused(let refusal) where refusal.meaning != .unknown {
                    break
                } catch {
                    guard member.isRunning, .now() < limit else {
                        await transport.shutdown()
                        throw EtcdMember.Failure(description: "etcd does not serve: \(error)\n\(member.log)")
                    }
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
            await transport.shutdown()
        }
    }

    func serve() async throws { try await EtcdCluster.serve(members, options) }

    func settings(prefix: String = "/\(UUID().uuidString)/") -> EtcdSettings {
        var settings = EtcdSettings(endpoints: members.map(\.endpoint))
        settings.prefix = prefix
        settings.tls = options.tls
        return settings
    }

    /// A coordinator of this etcd; by default one with keys of its own.
    func coordinator(_ settings: EtcdSettings? = nil) throws -> EtcdCoordinator {
        try EtcdCoordinator(settings ?? self.settings(), group: MultiThreadedEventLoopGroup.singleton)
    }

    /// A call of etcd's API that coordinators do not make.
    func call(_ path: String, _ body: String, token: String? = nil) async throws -> String {
        let transport = try EtcdTransport(settings(), group: MultiThreadedEventLoopGroup.singleton)
        defer { Task { await transport.shutdown() } }
        let answer = try await transport.call(
            path, ByteBuffer(string: body), token: token, at: members[0].endpoint, deadline: .now() + .seconds(10))
        return String(buffer: answer)
    }

    /// The member that leads, once one does.
    func leader() async throws -> EtcdMember {
        let transport = try EtcdTransport(settings(), group: MultiThreadedEventLoopGroup.singleton)
        defer { Task { await transport.shutdown() } }
        while true {
            for member in members where member.isRunning {
                guard
                    let bytes = try? await transport.call(
                        "maintenance/status", ByteBuffer(string: "{}"), token: nil, at: member.endpoint,
                        deadline: .now() + .seconds(2)),
                    let status = try? EtcdCodec.decode(EtcdAnswer.Status.self, bytes),
                    status.leader == status.header.memberId
                else { continue }
                return member
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Forgets all history before the present revision.
    func compact(at revision: UInt64) async throws {
        _ = try await call("kv/compaction", #"{"revision":"\#(revision)","physical":true}"#)
    }
}

enum Ports {
    /// Distinct free ports on loopback, which the system chose.
    static func assigned(_ count: Int) throws -> [Int] {
        let listeners = try (0..<count).map { _ in
            try ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: "127.0.0.1", port: 0).wait()
        }
        defer { for listener in listeners { try? listener.close().wait() } }
        return try listeners.map { try #require($0.localAddress?.port) }
    }
}
