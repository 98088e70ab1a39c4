import Foundation
import NIOCore
import Testing

@testable import Transport

/// Certificates made by the openssl command for one test, in a folder of their own.
struct Certificates {
    let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("tls-" + UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    func remove() { try? FileManager.default.removeItem(at: folder) }

    private func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    private func openssl(_ arguments: String...) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "openssl \(arguments.joined(separator: " "))")
    }

    func authority(_ name: String) throws {
        try openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-keyout", path("\(name).key"), "-out", path("\(name).pem"), "-subj", "/CN=\(name)")
    }

    func node(_ name: String, signedBy authority: String) throws -> TransportTLS {
        try openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-CA", path("\(authority).pem"), "-CAkey", path("\(authority).key"),
            "-keyout", path("\(authority)-\(name).key"), "-out", path("\(authority)-\(name).pem"), "-subj", "/CN=x",
            "-addext", "subjectAltName=DNS:\(name)")
        return try TransportTLS(
            certificate: path("\(authority)-\(name).pem"), key: path("\(authority)-\(name).key"),
            authority: path("\(authority).pem"))
    }
}

@Suite(.timeLimit(.minutes(10))) struct TLSTests {
    private func failure(
        server: TransportTLS?, client: TransportTLS?, serverNode: String = "server"
    ) async throws -> CallFailure? {
        var options = Loopback.Options()
        options.serverTLS = server
        options.clientTLS = client
        options.serverNode = serverNode
        options.dialledNode = serverNode
        var failure: CallFailure?
        try await Loopback.run(options) {
            $0.register(.slot, Handler { $0.body })
        } _: { loopback in
            failure = await loopback.failure()
        }
        return failure
    }

    @Test func nodesWithCertificatesOfOneAuthorityTalk() async throws {
        let certificates = try Certificates()
        defer { certificates.remove() }
        try certificates.authority("ca")
        let server = try certificates.node("server", signedBy: "ca")
        let client = try certificates.node("client", signedBy: "ca")
        #expect(try await failure(server: server, client: client) == nil)
    }

    @Test func aCertificateThatNamesAnotherNodeIsRefused() async throws {
        let certificates = try Certificates()
        defer { certificates.remove() }
        try certificates.authority("ca")
        let server = try certificates.node("server", signedBy: "ca")
        let client = try certificates.node("client", signedBy: "ca")
        // The client's certificate does not say "client".
        let asClient = try await failure(server: server, client: server)
        #expect("\(String(describing: asClient))".contains("does not name client"))
        // The server's does not say "server".
        let asServer = try await failure(server: client, client: client)
        #expect("\(String(describing: asServer))".contains("does not name server"))
    }

    @Test func anotherAuthoritysCertificateIsRefused() async throws {
        let certificates = try Certificates()
        defer { certificates.remove() }
        try certificates.authority("ca")
        try certificates.authority("foreign")
        let server = try certificates.node("server", signedBy: "ca")
        let client = try certificates.node("client", signedBy: "foreign")
        guard case .unreachable? = try await failure(server: server, client: client) else {
            Issue.record("a foreign certificate was accepted")
            return
        }
    }

    @Test func plainAndEncryptedSidesDoNotTalk() async throws {
        let certificates = try Certificates()
        defer { certificates.remove() }
        try certificates.authority("ca")
        let tls = try certificates.node("server", signedBy: "ca")
        for (server, client) in [(tls, nil), (nil, tls)] as [(TransportTLS?, TransportTLS?)] {
            guard case .unreachable? = try await failure(server: server, client: client) else {
                Issue.record("a plain connection was accepted beside TLS")
                return
            }
        }
    }
}
