/// The settings of `guildhall-router`.
public struct RouterSettings: Hashable, Sendable {
    public struct HTTP: Hashable, Sendable {
        public var listen: ProcessSettings.Listen
        /// The longest request body, in bytes.
        public var bodyLimit: Int
        /// How long a client may take for a request's head.
        public var headerTimeout: Duration
    }

    public var process: ProcessSettings
    public var http: HTTP
    /// Embedded without an address: this router serves it itself.
    public var coordinator: CoordinatorSettings
    /// The folder of the embedded coordinator.
    public var coordinatorData: String
    /// A cluster that this router creates lets tests move its clock.
    public var hasTestClock: Bool
    /// How many guild nodes a new cluster waits for before it places its slots.
    public var expectedGuildNodes: Int
    /// The file with the operators' token; made with mode 600 when it is absent.
    public var adminTokenFile: String

    /// The request lane carries a body with what surrounds it in one frame of 16 MiB.
    static let maximumBodyLimit = 15 << 20

    /// - Throws: all problems at once.
    public init(from source: SettingsSource) throws(SettingsFailure) {
        var reader = SettingsReader(source)
        process = ProcessSettings(&reader)
        http = HTTP(
            listen: ProcessSettings.Listen(
                host: reader.text(.httpHost) ?? "127.0.0.1", port: reader.port(.httpPort, default: 8_080)),
            bodyLimit: reader.bytes(
                .httpBodyLimit, in: 1 << 10...RouterSettings.maximumBodyLimit, default: 1 << 20),
            headerTimeout: reader.duration(
                .httpHeaderTimeout, in: .milliseconds(100)...(.seconds(300)), default: .seconds(10)))
        coordinator = CoordinatorSettings(&reader, isServed: true)
        coordinatorData = reader.text(.coordinatorData) ?? process.data + "/coordinator"
        hasTestClock = reader.boolean(.clusterTestClock, default: false)
        expectedGuildNodes = reader.integer(.clusterExpectedGuildNodes, in: 1...1_024, default: 1)
        adminTokenFile = reader.text(.adminTokenFile) ?? process.data + "/admin-token"
        try reader.finish()
    }
}
