import Foundation

/// Which coordinator a process of the cluster uses.
public enum CoordinatorSettings: Hashable, Sendable {
    /// The one that a router keeps on its disk, and where that is; `nil` for the router itself.
    case embedded(Endpoint?)
    case etcd(Etcd)

    /// As the settings say it: the URLs are not taken apart here.
    public struct Etcd: Hashable, Sendable {
        public var endpoints: [String]
        /// What every key begins with.
        public var prefix: String
        /// Paths of PEM files.
        public var authority: String?
        public var certificate: String?
        public var key: String?
        public var user: String?
        public var password: String?
    }

    enum Kind: String, CaseIterable { case embedded, etcd }

    static let standardPrefix = "/guildhall/"
    private static let maximumPrefix = 64
    private static let maximumEndpoints = 16
    private static let maximumPasswordFile = 4_096
    private static let ofEtcd: [SettingKey] = [
        .coordinatorEndpoints, .coordinatorPrefix, .coordinatorTLSAuthority, .coordinatorTLSCertificate,
        .coordinatorTLSKey, .coordinatorUser, .coordinatorPasswordFile,
    ]

    /// - Parameter isServed: whether the process serves the embedded coordinator when it is told no address.
    init(_ reader: inout SettingsReader, isServed: Bool) {
        let name = reader.text(.coordinatorKind) ?? Kind.embedded.rawValue
        if Kind(rawValue: name) == nil { reader.problem(.coordinatorKind, "expected embedded or etcd, got \(name)") }
        if name == Kind.etcd.rawValue {
            if reader.text(.clusterCoordinator) != nil {
                reader.problem(
                    .clusterCoordinator, "is the embedded coordinator's address, and coordinator.kind is etcd")
            }
            self = .etcd(CoordinatorSettings.etcd(&reader))
            return
        }
        for key in CoordinatorSettings.ofEtcd where reader.text(key) != nil {
            reader.problem(key, "is for etcd: set coordinator.kind to etcd, or leave this out")
        }
        self = .embedded(
            reader.endpoint(
                .clusterCoordinator, "HOST:PORT of the router that serves the coordinator (or coordinator.kind: etcd)",
                isRequired: !isServed))
    }

    private static func etcd(_ reader: inout SettingsReader) -> Etcd {
        let endpoints = reader.list(.coordinatorEndpoints)
        if endpoints.isEmpty {
            reader.problem(.coordinatorEndpoints, "missing: URLs of etcd's members, such as http://10.0.0.1:2379")
        }
        if endpoints.count > maximumEndpoints {
            reader.problem(.coordinatorEndpoints, "at most \(maximumEndpoints) are taken")
        }
        for endpoint in endpoints where !isEndpoint(endpoint) {
            reader.problem(.coordinatorEndpoints, "expected http://HOST:PORT or https://HOST:PORT, got \(endpoint)")
        }
        let prefix = reader.text(.coordinatorPrefix) ?? standardPrefix
        if !isPrefix(prefix) {
            reader.problem(
                .coordinatorPrefix,
                "expected a path of at most \(maximumPrefix) visible ASCII characters that ends in /, got \(prefix)")
        }
        let files = [
            SettingKey.coordinatorTLSAuthority, .coordinatorTLSCertificate, .coordinatorTLSKey,
        ].map { (key: $0, path: reader.text($0)) }
        for (key, path) in files {
            guard let path else { continue }
            if !FileManager.default.isReadableFile(atPath: path) { reader.problem(key, "\(path) cannot be read") }
            if !endpoints.contains(where: { $0.hasPrefix("https:") }) {
                reader.problem(key, "no endpoint begins with https:")
            }
        }
        if (files[1].path == nil) != (files[2].path == nil) {
            reader.problem(files[1].path == nil ? files[1].key : files[2].key, "certificate and key go together")
        }
        let user = reader.text(.coordinatorUser)
        return Etcd(
            endpoints: endpoints, prefix: prefix, authority: files[0].path, certificate: files[1].path,
            key: files[2].path, user: user, password: password(&reader, hasUser: user != nil))
    }

    /// The first line of the file: a password in the settings themselves would show in process lists and backups.
    private static func password(_ reader: inout SettingsReader, hasUser: Bool) -> String? {
        guard let path = reader.text(.coordinatorPasswordFile) else {
            if hasUser { reader.problem(.coordinatorPasswordFile, "missing: coordinator.user is there") }
            return nil
        }
        if !hasUser { reader.problem(.coordinatorUser, "missing: coordinator.password-file is there") }
        guard let handle = FileHandle(forReadingAtPath: path),
            let bytes = try? handle.read(upToCount: maximumPasswordFile)
        else {
            reader.problem(.coordinatorPasswordFile, "\(path) cannot be read")
            return nil
        }
        let line = String(decoding: bytes, as: UTF8.self).prefix { $0 != "\n" && $0 != "\r\n" }
        if line.isEmpty { reader.problem(.coordinatorPasswordFile, "the first line of \(path) is empty") }
        return String(line)
    }

    private static func isEndpoint(_ text: String) -> Bool {
        for scheme in ["http://", "https://"] where text.hasPrefix(scheme) {
            let rest = text.dropFirst(scheme.count)
            guard !rest.contains(where: { "/@?#".contains($0) }) else { return false }
            return Endpoint(String(rest)) != nil
        }
        return false
    }

    private static func isPrefix(_ text: String) -> Bool {
        text.hasSuffix("/") && text.utf8.count <= maximumPrefix && text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
    }
}
