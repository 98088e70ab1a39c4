import Foundation

/// Which bucket, where, and how it is spoken to.
public struct S3Settings: Hashable, Sendable {
    public enum Addressing: String, Hashable, Sendable, CaseIterable {
        /// `https://host/bucket/key`: what stores other than Amazon's usually take.
        case path
        /// `https://bucket.host/key`: Amazon's own.
        case virtual
    }

    /// `https://host[:port]`, without a path.
    public var endpoint: String
    public var bucket: String
    public var region: String
    /// What all keys begin with in the bucket; empty, or a key.
    public var prefix: String
    public var addressing: Addressing
    public var credentials: AWSCredentialsSource
    public var limits = S3Limits()

    /// - Parameters:
    ///   - endpoint: absent for Amazon's, which is then addressed by virtual host.
    /// - Throws: ``ObjectStoreFailure/invalid(_:)``.
    public init(
        endpoint: String? = nil, bucket: String, region: String, prefix: String = "", addressing: Addressing? = nil,
        credentials: AWSCredentialsSource
    ) throws(ObjectStoreFailure) {
        guard (3...63).contains(bucket.utf8.count),
            bucket.utf8.allSatisfy({ ObjectKey.isAllowed($0) && $0 != UInt8(ascii: "_") }),
            bucket == bucket.lowercased()
        else { throw .invalid("'\(bucket)' is no bucket's name: 3 to 63 of a-z, 0-9, - and .") }
        guard !region.isEmpty, region.utf8.allSatisfy(ObjectKey.isAllowed) else {
            throw .invalid("'\(region)' is no region")
        }
        guard prefix.isEmpty || ObjectKey(prefix) != nil else { throw .invalid("'\(prefix)' is no prefix of keys") }
        let address = endpoint ?? "https://s3.\(region).amazonaws.com"
        guard let url = URL(string: address), url.scheme == "http" || url.scheme == "https", url.host != nil,
            url.path.isEmpty || url.path == "/", url.query == nil, url.user == nil
        else { throw .invalid("'\(address)' is no endpoint: https://HOST[:PORT] is") }
        self.endpoint = address.hasSuffix("/") ? String(address.dropLast()) : address
        self.bucket = bucket
        self.region = region
        self.prefix = prefix
        self.addressing = addressing ?? (endpoint == nil ? .virtual : .path)
        self.credentials = credentials
    }
}

/// Bounds of one S3 store's client.
public struct S3Limits: Hashable, Sendable {
    /// A larger object goes up in parts of this many bytes, one in memory at a time. S3 asks for 5 MiB at least.
    public var partSize = 8 << 20
    /// S3's limit on parts; parts are larger where an object needs it.
    public var maximumParts = 10_000
    public var maximumPartSize = 64 << 20
    /// How often one request is tried in all, and the pauses between: doubled each time, with a random part.
    public var attempts = 5
    public var firstPause: Duration = .milliseconds(100)
    public var longestPause: Duration = .seconds(5)
    /// How long a request may take: this, and the time of its bytes at ``slowestRate``.
    public var requestTimeout: Duration = .seconds(30)
    /// Bytes a second.
    public var slowestRate = 64 << 10
    /// The longest answer other than an object's content, in bytes.
    public var maximumAnswer = 4 << 20

    public init() {}

    func timeout(of bytes: Int) -> Duration { requestTimeout + .seconds(bytes / slowestRate) }
}
