import NIOCore

/// How a gateway runs; read from the process's settings under `gateway`.
public struct GatewaySettings: Sendable {
    /// Where clients connect directly, and routers of other machines for them.
    public var host: String
    /// 0 for one that the system picks.
    public var port: Int
    /// The client address that is published, as `ws://host:port` without a path; made from host and port when absent.
    public var clientURL: String?
    /// The Unix socket that takes clients' sockets from routers of this machine.
    public var socketPath: String
    /// Event loops for client sockets; each is a thread.
    public var loops: Int
    /// Connections above it are closed at once.
    public var maximumConnections: Int
    /// What may wait for a connection; a client that does not read is disconnected above it, and may resume.
    public var maximumOutputBytes: Int
    /// The longest that a delivery waits for the buddy's word that it is journaled.
    public var journalWait: TimeAmount
    /// Between two IDENTIFYs of one bot and `max_concurrency` key; Discord's is 5 s, 0 is none.
    public var identifyInterval: TimeAmount

    public init(
        host: String = "127.0.0.1", port: Int = 0, clientURL: String? = nil, socketPath: String, loops: Int = 2,
        maximumConnections: Int = 100_000, maximumOutputBytes: Int = 16 << 20,
        journalWait: TimeAmount = .milliseconds(250), identifyInterval: TimeAmount = .zero
    ) {
        self.host = host
        self.port = port
        self.clientURL = clientURL
        self.socketPath = socketPath
        self.loops = loops
        self.maximumConnections = maximumConnections
        self.maximumOutputBytes = maximumOutputBytes
        self.journalWait = journalWait
        self.identifyInterval = identifyInterval
    }
}
