import NIOCore

/// What a client may take of the edge. Each has a name, a unit and a reason.
public struct EdgeLimits: Sendable {
    /// The largest body of JSON; more is answered 413. Discord's own limit for requests without files is of this size.
    public var maximumBodyBytes = 1 << 20
    /// All header fields of a request together; more is answered 431.
    public var maximumHeaderBytes = 16 * 1024
    public var maximumHeaderFields = 100
    /// The request's target, path and query; more is answered 414.
    public var maximumTargetBytes = 8 * 1024
    /// Open client connections of this router; gateway sockets that were handed over do not count.
    public var maximumConnections = 10_000
    /// From a connection's opening, or from the first byte of a further request, to the end of the head.
    public var headTimeout: TimeAmount = .seconds(10)
    /// From the head to the end of the body: a body of the largest size at 35 KB a second.
    public var bodyTimeout: TimeAmount = .seconds(30)
    /// Between requests of one connection. Longer than the 60 s of common load balancers, so that they close first.
    public var idleTimeout: TimeAmount = .seconds(75)
    /// Until a slow reader has taken an answer.
    public var writeTimeout: TimeAmount = .seconds(30)
    /// How long a refused client is still read from, so that it sees the answer and not a reset.
    public var lingerTimeout: TimeAmount = .seconds(2)
    /// From a request's arrival to its answer, retries included.
    public var requestDeadline: TimeAmount = .seconds(10)

    public init() {}
}
