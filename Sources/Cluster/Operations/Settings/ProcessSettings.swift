import Foundation
import Identity
import Logging

/// What every process of a cluster is told.
public struct ProcessSettings: Hashable, Sendable {
    /// A host and port to listen on; port 0 lets the system choose.
    public struct Listen: Hashable, Sendable {
        public var host: String
        public var port: Int

        public init(host: String = "127.0.0.1", port: Int = 0) {
            self.host = host
            self.port = port
        }
    }

    /// Paths of PEM files, for mutual TLS between nodes.
    public struct TLS: Hashable, Sendable {
        public var certificate: String
        public var key: String
        public var authority: String
    }

    public var nodeID: NodeID
    /// The failure domain that replicas are spread over; empty for none.
    public var zone: String
    /// The share of slots relative to other nodes, in hundredths.
    public var weight: Int
    /// Names the machine: processes with the same name pass sockets to each other.
    public var machine: String
    /// For other nodes.
    public var listen: Listen
    public var health: Listen
    /// The folder that the process keeps its data in.
    public var data: String
    public var tls: TLS?
    /// The newest version of the inter-node protocol that the process speaks.
    public var protocolMax: UInt64
    public var logLevel: Logger.Level
    public var logFormat: LogFormat

    init(_ reader: inout SettingsReader) {
        let name = reader.required(.nodeID, "a name of this process, unique in the cluster")
        if let id = NodeID(rawValue: name) {
            nodeID = id
        } else {
            if !name.isEmpty {
                reader.problem(.nodeID, "expected 1 to 63 of a-z, 0-9, -, _ and ., got \(name)")
            }
            nodeID = ProcessSettings.unnamed
        }
        zone = reader.text(.nodeZone) ?? ""
        weight = reader.integer(.nodeWeight, in: 1...100_000, default: 100)
        machine = reader.text(.nodeMachine) ?? ProcessSettings.hostName()
        listen = Listen(host: reader.text(.listenHost) ?? "127.0.0.1", port: reader.port(.listenPort))
        health = Listen(host: reader.text(.healthHost) ?? "127.0.0.1", port: reader.port(.healthPort))
        data = reader.required(.data, "the folder for this process's data")
        tls = ProcessSettings.tls(&reader)
        protocolMax = UInt64(
            reader.integer(
                .transportProtocolMax, in: Int(ProtocolVersion.oldest)...Int(ProtocolVersion.newest),
                default: Int(ProtocolVersion.newest)))
        logLevel = reader.choice(.logLevel, default: .info)
        logFormat = reader.choice(.logFormat, default: .text)
        if tls == nil, !ProcessSettings.isLoopback(listen.host) {
            reader.problem(
                .listenHost,
                "\(listen.host) is not a loopback address: nodes trust each other, so set tls.certificate, tls.key "
                    + "and tls.authority")
        }
    }

    /// The versions of the inter-node protocol that the process speaks.
    public var protocolVersions: ClosedRange<UInt64> { ProtocolVersion.oldest...protocolMax }

    /// Stands where the name is at fault; the settings are then not used.
    private static let unnamed: NodeID = {
        guard let id = NodeID(rawValue: "unnamed") else { preconditionFailure("a literal within NodeID's alphabet") }
        return id
    }()

    private static func tls(_ reader: inout SettingsReader) -> TLS? {
        let keys: [SettingKey] = [.tlsCertificate, .tlsKey, .tlsAuthority]
        let paths = keys.map { reader.text($0) }
        guard paths.contains(where: { $0 != nil }) else { return nil }
        for (key, path) in zip(keys, paths) {
            guard let path else {
                reader.problem(key, "missing: the other tls settings are there")
                continue
            }
            if !FileManager.default.isReadableFile(atPath: path) { reader.problem(key, "\(path) cannot be read") }
        }
        guard let certificate = paths[0], let key = paths[1], let authority = paths[2] else { return nil }
        return TLS(certificate: certificate, key: key, authority: authority)
    }

    static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || host == "::1" || host.hasPrefix("127.")
    }

    /// The machine's own name, asked without the network.
    static func hostName() -> String {
        var bytes = [CChar](repeating: 0, count: 256)
        guard gethostname(&bytes, bytes.count - 1) == 0 else { return "localhost" }
        return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// How log lines look.
public enum LogFormat: String, CaseIterable, Hashable, Sendable {
    /// For people: time, level, label, message, metadata.
    case text
    /// One JSON object a line.
    case json
}
