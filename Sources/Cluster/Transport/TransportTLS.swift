import NIOCore
import NIOSSL

/// Mutual TLS between nodes: both sides present a certificate of one authority that names their node id.
///
/// The names are the certificate's DNS subject alternative names; its common name does not count (RFC 9525, 2).
public struct TransportTLS: Sendable {
    private let server: NIOSSLContext
    private let client: NIOSSLContext

    /// - Parameters: paths of PEM files.
    /// - Throws: when a file cannot be read or holds something else.
    public init(certificate: String, key: String, authority: String) throws {
        let chain = try NIOSSLCertificate.fromPEMFile(certificate).map { NIOSSLCertificateSource.certificate($0) }
        let privateKey = NIOSSLPrivateKeySource.privateKey(try NIOSSLPrivateKey(file: key, format: .pem))
        let roots = NIOSSLTrustRoots.certificates(try NIOSSLCertificate.fromPEMFile(authority))
        // The name is checked in the handshake against the node id, which stands for the host's name.
        var serving = TLSConfiguration.makeServerConfiguration(certificateChain: chain, privateKey: privateKey)
        serving.certificateVerification = .noHostnameVerification
        serving.trustRoots = roots
        serving.minimumTLSVersion = .tlsv13
        var dialling = TLSConfiguration.makeClientConfiguration()
        dialling.certificateChain = chain
        dialling.privateKey = privateKey
        dialling.certificateVerification = .noHostnameVerification
        dialling.trustRoots = roots
        dialling.minimumTLSVersion = .tlsv13
        server = try NIOSSLContext(configuration: serving)
        client = try NIOSSLContext(configuration: dialling)
    }

    func addServerHandler(to channel: any Channel) throws {
        try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: server))
    }

    func addClientHandler(to channel: any Channel) throws {
        try channel.pipeline.syncOperations.addHandler(NIOSSLClientHandler(context: client, serverHostname: nil))
    }

    /// The DNS names in the peer's certificate; empty when there is none.
    static func peerNames(in pipeline: ChannelPipeline) -> [String] {
        guard let certificate = try? pipeline.syncOperations.nioSSL_peerCertificate() else { return [] }
        return certificate._subjectAlternativeNames().compactMap { name -> String? in
            guard name.nameType == .dnsName else { return nil }
            return name.contents.withUnsafeBufferPointer { String(validating: $0, as: UTF8.self) }
        }
    }
}
