import Foundation

/// Where objects are kept, and what S3 is spoken to with: the settings `objects.…`.
public struct ObjectSettings: Hashable, Sendable {
    public enum Kind: String, CaseIterable, Hashable, Sendable {
        case disk
        case s3
    }

    public enum Addressing: String, CaseIterable, Hashable, Sendable {
        /// By path for an endpoint of one's own, by virtual host for Amazon's.
        case automatic
        case path
        case virtual
    }

    public var kind: Kind
    /// The folder of objects on disk.
    public var path: String
    /// `https://host[:port]`; empty for Amazon's.
    public var endpoint: String
    public var bucket: String
    public var region: String
    public var prefix: String
    public var addressing: Addressing
    /// A file as the AWS tools keep it; absent where the variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
    /// AWS_SESSION_TOKEN count. It serves backups as well, whatever ``kind`` is. The secrets themselves are no setting.
    public var credentialsFile: String?

    init(_ reader: inout SettingsReader, data: String) {
        kind = reader.choice(.objectsKind, default: .disk)
        path = reader.text(.objectsPath) ?? data + "/objects"
        endpoint = reader.text(.objectsS3Endpoint) ?? ""
        bucket = reader.text(.objectsS3Bucket) ?? ""
        region = reader.text(.objectsS3Region) ?? "us-east-1"
        prefix = reader.text(.objectsS3Prefix) ?? ""
        addressing = reader.choice(.objectsS3Addressing, default: .automatic)
        credentialsFile = reader.text(.objectsS3CredentialsFile)
        if kind == .s3, bucket.isEmpty { reader.problem(.objectsS3Bucket, "missing: objects.kind is s3") }
        if let credentialsFile, !FileManager.default.isReadableFile(atPath: credentialsFile) {
            reader.problem(.objectsS3CredentialsFile, "\(credentialsFile) cannot be read")
        }
    }

    /// As a location is written: see ObjectLocation in the target ObjectStore.
    public var location: String {
        switch kind {
        case .disk: return "file://\(path)"
        case .s3:
            var url = URLComponents()
            url.scheme = "s3"
            url.host = bucket
            url.path = prefix.isEmpty ? "" : "/" + prefix
            url.queryItems = [URLQueryItem(name: "region", value: region)]
            if !endpoint.isEmpty { url.queryItems?.append(URLQueryItem(name: "endpoint", value: endpoint)) }
            if addressing != .automatic {
                url.queryItems?.append(URLQueryItem(name: "addressing", value: addressing.rawValue))
            }
            return url.string ?? ""
        }
    }
}
