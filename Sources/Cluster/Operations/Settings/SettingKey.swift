/// Every setting, by its dotted name in the YAML file.
///
/// The environment variable of `http.body-limit` is `GUILDHALL_HTTP_BODY_LIMIT`; on the command line it is
/// `--set http.body-limit=2MiB`. The command line wins over the environment, the environment over the file.
public enum SettingKey: String, CaseIterable, Sendable {
    case nodeID = "node.id"
    case nodeRoles = "node.roles"
    case nodeZone = "node.zone"
    case nodeWeight = "node.weight"
    case nodeMachine = "node.machine"
    case clusterCoordinator = "cluster.coordinator"
    case clusterTestClock = "cluster.test-clock"
    case clusterExpectedGuildNodes = "cluster.expected-guild-nodes"
    case coordinatorData = "coordinator.data"
    case coordinatorKind = "coordinator.kind"
    case coordinatorEndpoints = "coordinator.endpoints"
    case coordinatorPrefix = "coordinator.prefix"
    case coordinatorTLSAuthority = "coordinator.tls.authority"
    case coordinatorTLSCertificate = "coordinator.tls.certificate"
    case coordinatorTLSKey = "coordinator.tls.key"
    case coordinatorUser = "coordinator.user"
    case coordinatorPasswordFile = "coordinator.password-file"
    case listenHost = "listen.host"
    case listenPort = "listen.port"
    case healthHost = "health.host"
    case healthPort = "health.port"
    case transportProtocolMax = "transport.protocol-max"
    case replicationVerifyInterval = "replication.verify-interval"
    case data = "data"
    case diskWarningPercent = "disk.warning-percent"
    case diskFullPercent = "disk.full-percent"
    case diskBallast = "disk.ballast"
    case tlsCertificate = "tls.certificate"
    case tlsKey = "tls.key"
    case tlsAuthority = "tls.authority"
    case logLevel = "log.level"
    case logFormat = "log.format"
    case httpHost = "http.host"
    case httpPort = "http.port"
    case httpBodyLimit = "http.body-limit"
    case httpHeaderTimeout = "http.header-timeout"
    case gatewayHost = "gateway.host"
    case gatewayPort = "gateway.port"
    case gatewaySocket = "gateway.socket"
    case gatewayJournalWait = "gateway.journal-wait"
    case gatewayIdentifyInterval = "gateway.identify-interval"
    case adminTokenFile = "admin.token-file"
    case objectsKind = "objects.kind"
    case objectsPath = "objects.path"
    case objectsS3Endpoint = "objects.s3.endpoint"
    case objectsS3Bucket = "objects.s3.bucket"
    case objectsS3Region = "objects.s3.region"
    case objectsS3Prefix = "objects.s3.prefix"
    case objectsS3Addressing = "objects.s3.addressing"
    case objectsS3CredentialsFile = "objects.s3.credentials-file"

    /// What variables of ours begin with.
    public static let environmentPrefix = "GUILDHALL_"

    public var environmentVariable: String {
        SettingKey.environmentPrefix
            + rawValue.uppercased().map { $0 == "." || $0 == "-" ? "_" : String($0) }.joined()
    }
}
