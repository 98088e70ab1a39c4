import Foundation

/// Where objects are kept, as an operator writes it: `file:///path`, or
/// `s3://bucket/prefix?region=R&endpoint=https://host&addressing=path`. It never holds a secret.
public struct ObjectLocation: Hashable, Sendable, CustomStringConvertible {
    public enum Kind: Hashable, Sendable {
        case disk(folder: String)
        case s3(bucket: String, prefix: String, region: String, endpoint: String?, addressing: S3Settings.Addressing?)
    }

    public let text: String
    public let kind: Kind

    /// - Throws: ``ObjectStoreFailure/invalid(_:)``, which says what a location looks like.
    public init(_ text: String) throws(ObjectStoreFailure) {
        self.text = text
        guard let url = URLComponents(string: text) else { throw .invalid("'\(text)' is no URL") }
        switch url.scheme {
        case "file":
            guard url.host ?? "" == "", url.path.hasPrefix("/"), url.path.count > 1, url.query == nil else {
                throw .invalid("'\(text)': a folder is written file:///absolute/path")
            }
            kind = .disk(folder: url.path.hasSuffix("/") ? String(url.path.dropLast()) : url.path)
        case "s3":
            var values: [String: String] = [:]
            for item in url.queryItems ?? [] { values[item.name] = item.value ?? "" }
            let unknown = Set(values.keys).subtracting(["region", "endpoint", "addressing"])
            guard unknown.isEmpty else { throw .invalid("'\(text)': \(unknown.sorted()) is not known") }
            guard let bucket = url.host, !bucket.isEmpty, url.user == nil, url.password == nil, url.port == nil else {
                throw .invalid("'\(text)': a bucket is written s3://bucket/prefix, without credentials")
            }
            var addressing: S3Settings.Addressing?
            if let name = values["addressing"] {
                addressing = S3Settings.Addressing(rawValue: name)
                if addressing == nil { throw .invalid("'\(text)': addressing is path or virtual") }
            }
            kind = .s3(
                bucket: bucket, prefix: url.path.split(separator: "/").joined(separator: "/"),
                region: values["region"] ?? "us-east-1", endpoint: values["endpoint"], addressing: addressing)
        default: throw .invalid("'\(text)': a location begins with file:// or s3://")
        }
    }

    /// - Parameter credentials: for S3.
    /// - Throws: ``ObjectStoreFailure/invalid(_:)``.
    public func open(credentials: AWSCredentialsSource) throws(ObjectStoreFailure) -> any ObjectStore {
        switch kind {
        case .disk(let folder): return DiskObjectStore(folder: folder)
        case .s3(let bucket, let prefix, let region, let endpoint, let addressing):
            return S3ObjectStore(
                try S3Settings(
                    endpoint: endpoint, bucket: bucket, region: region, prefix: prefix, addressing: addressing,
                    credentials: credentials))
        }
    }

    public var description: String { text }
}
