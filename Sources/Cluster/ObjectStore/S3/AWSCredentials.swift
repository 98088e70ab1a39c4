import Foundation
import Synchronization

/// What a request to S3 is signed with. Neither secret nor token is ever printed.
public struct AWSCredentials: Hashable, Sendable, CustomStringConvertible {
    public var accessKey: String
    public var secretKey: String
    /// Of temporary credentials.
    public var sessionToken: String?

    public init(accessKey: String, secretKey: String, sessionToken: String? = nil) {
        self.accessKey = accessKey
        self.secretKey = secretKey
        self.sessionToken = sessionToken
    }

    public var description: String { "AWSCredentials(hidden)" }
}

/// Where credentials come from.
public enum AWSCredentialsSource: Hashable, Sendable {
    case fixed(AWSCredentials)
    /// A file as the AWS tools keep it: `[default]` and lines `aws_access_key_id = …`, `aws_secret_access_key = …`,
    /// `aws_session_token = …`. Read again every minute, so that whoever rotates keys needs no restart.
    case file(String)
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`.
    case environment

    static let maximumFileSize = 64 << 10

    func read(environment: [String: String]) throws(ObjectStoreFailure) -> AWSCredentials {
        switch self {
        case .fixed(let credentials): return credentials
        case .environment:
            guard let key = environment["AWS_ACCESS_KEY_ID"], !key.isEmpty,
                let secret = environment["AWS_SECRET_ACCESS_KEY"], !secret.isEmpty
            else {
                throw .wrongCredentials("neither a credentials file nor AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
            }
            let token = environment["AWS_SESSION_TOKEN"]
            return AWSCredentials(
                accessKey: key, secretKey: secret, sessionToken: token?.isEmpty == true ? nil : token)
        case .file(let path):
            guard let data = FileManager.default.contents(atPath: path), data.count <= Self.maximumFileSize else {
                throw .file(path: path, reason: "the credentials file cannot be read")
            }
            return try Self.parse(String(decoding: data, as: UTF8.self), path: path)
        }
    }

    static func parse(_ text: String, path: String) throws(ObjectStoreFailure) -> AWSCredentials {
        var isDefault = true
        var values: [String: String] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            let line = line.trimmingCharacters(in: .whitespaces)
            if line.isEmpty || line.hasPrefix("#") || line.hasPrefix(";") { continue }
            if line.hasPrefix("[") {
                isDefault = line == "[default]"
                continue
            }
            guard isDefault, let equals = line.firstIndex(of: "=") else { continue }
            let name = line[..<equals].trimmingCharacters(in: .whitespaces).lowercased()
            values[name] = line[line.index(after: equals)...].trimmingCharacters(in: .whitespaces)
        }
        guard let key = values["aws_access_key_id"], !key.isEmpty, let secret = values["aws_secret_access_key"],
            !secret.isEmpty
        else {
            throw .wrongCredentials("\(path) names no aws_access_key_id and aws_secret_access_key under [default]")
        }
        return AWSCredentials(accessKey: key, secretKey: secret, sessionToken: values["aws_session_token"])
    }
}

/// The credentials as last read.
final class CurrentCredentials: Sendable {
    private static let freshness: Duration = .seconds(60)

    private let source: AWSCredentialsSource
    private let environment: [String: String]
    private let last = Mutex<(credentials: AWSCredentials, time: ContinuousClock.Instant)?>(nil)

    init(_ source: AWSCredentialsSource, environment: [String: String] = ProcessInfo.processInfo.environment) {
        self.source = source
        self.environment = environment
    }

    func get() throws(ObjectStoreFailure) -> AWSCredentials {
        let now = ContinuousClock.now
        if let known = last.withLock({ $0 }), now - known.time < Self.freshness { return known.credentials }
        let credentials = try source.read(environment: environment)
        last.withLock { $0 = (credentials, now) }
        return credentials
    }
}
