/// The settings of `guildhall-node`.
public struct NodeSettings: Hashable, Sendable {
    public enum Role: String, CaseIterable, Hashable, Sendable {
        case guild
        case gateway
        case voice
    }

    /// A guild node's: when the disk under its data counts as filling up, and as nearly full.
    public struct Disk: Hashable, Sendable {
        /// What is in use, in percent of the disk: from here on the log and the metrics warn.
        public var warningPercent: Int
        /// From here on the node takes no writes, and gives away what it leads.
        public var fullPercent: Int
        /// Bytes that are kept for the worst moment, at most a tenth of the disk; 0 for none.
        public var ballast: Int
    }

    public var process: ProcessSettings
    public var roles: [Role]
    public var coordinator: CoordinatorSettings
    /// Where a gateway takes clients that do not come through a router.
    public var gateway: ProcessSettings.Listen
    /// The Unix socket that a gateway takes clients' sockets from routers by.
    public var gatewaySocket: String
    /// A guild node's: from the comparison of one slot's replicas to the next's; zero for none.
    public var verifyInterval: Duration
    public var disk: Disk
    public var objects: ObjectSettings
    /// The longest that a gateway's delivery waits for its journal.
    public var gatewayJournalWait: Duration
    /// Between two IDENTIFYs of one bot and `max_concurrency` key.
    public var gatewayIdentifyInterval: Duration

    /// The longest path of a Unix socket on Linux, in bytes, without the final zero.
    static let maximumSocketPath = 107

    /// - Throws: all problems at once.
    public init(from source: SettingsSource) throws(SettingsFailure) {
        var reader = SettingsReader(source)
        process = ProcessSettings(&reader)
        var roles: [Role] = []
        for name in reader.list(.nodeRoles) {
            if let role = Role(rawValue: name.lowercased()) {
                if !roles.contains(role) { roles.append(role) }
            } else {
                reader.problem(.nodeRoles, "expected some of guild, gateway, voice, got \(name)")
            }
        }
        if roles.isEmpty, reader.list(.nodeRoles).isEmpty {
            reader.problem(.nodeRoles, "missing: some of guild, gateway, voice")
        }
        self.roles = roles
        coordinator = CoordinatorSettings(&reader, isServed: false)
        gateway = ProcessSettings.Listen(
            host: reader.text(.gatewayHost) ?? "127.0.0.1", port: reader.port(.gatewayPort))
        verifyInterval = reader.duration(
            .replicationVerifyInterval, in: .zero...(.seconds(86_400)), default: .seconds(60))
        disk = Disk(
            warningPercent: reader.integer(.diskWarningPercent, in: 1...99, default: 85),
            fullPercent: reader.integer(.diskFullPercent, in: 2...99, default: 95),
            ballast: reader.bytes(.diskBallast, in: 0...(1 << 40), default: 256 << 20))
        if disk.warningPercent > disk.fullPercent {
            reader.problem(.diskWarningPercent, "at most disk.full-percent, \(disk.fullPercent)")
        }
        gatewaySocket = reader.text(.gatewaySocket) ?? process.data + "/gateway.sock"
        objects = ObjectSettings(&reader, data: process.data)
        gatewayJournalWait = reader.duration(
            .gatewayJournalWait, in: .milliseconds(1)...(.seconds(60)), default: .milliseconds(250))
        gatewayIdentifyInterval = reader.duration(
            .gatewayIdentifyInterval, in: .zero...(.seconds(60)), default: .zero)
        if roles.contains(.gateway), gatewaySocket.utf8.count > NodeSettings.maximumSocketPath {
            reader.problem(
                .gatewaySocket,
                "\(gatewaySocket) is longer than the \(NodeSettings.maximumSocketPath) bytes of a Unix socket's path; "
                    + "set a shorter one")
        }
        try reader.finish()
    }
}
