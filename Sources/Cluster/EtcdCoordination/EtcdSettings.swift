/// How to reach etcd.
public struct EtcdSettings: Hashable, Sendable {
    /// Paths of PEM files.
    public struct TLS: Hashable, Sendable {
        /// Whom to trust; `nil` for the system's authorities.
        public var authority: String?
        /// This process's own, for an etcd that asks clients for one; both or none.
        public var certificate: String?
        public var key: String?

        public init(authority: String? = nil, certificate: String? = nil, key: String? = nil) {
            self.authority = authority
            self.certificate = certificate
            self.key = key
        }
    }

    public struct User: Hashable, Sendable, CustomStringConvertible {
        public var name: String
        public var password: String

        public init(name: String, password: String) {
            self.name = name
            self.password = password
        }

        /// The password stays out of logs.
        public var description: String { name }
    }

    public static let standardPrefix = "/guildhall/"

    /// Members of one etcd cluster; at least one.
    public var endpoints: [EtcdEndpoint]
    /// What every key of the cluster begins with, so that several share an etcd.
    public var prefix = EtcdSettings.standardPrefix
    public var tls = TLS()
    public var user: User?
    /// For one operation, all attempts together.
    public var timeout: Duration = .seconds(5)
    /// For one attempt: as long as etcd usually takes to elect a leader (1.0 to 2.2 s, DESIGN §5).
    public var attemptTimeout: Duration = .seconds(2)
    public var connectTimeout: Duration = .seconds(1)
    /// A watch that has heard nothing for this long asks its member for a sign of life.
    public var quietInterval: Duration = .seconds(2)
    public var firstPause: Duration = .milliseconds(20)
    public var longestPause: Duration = .milliseconds(500)

    public init(endpoints: [EtcdEndpoint]) { self.endpoints = endpoints }
}
