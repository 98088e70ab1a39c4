import Coordination
import Identity
import Logging
import NIOCore
import Placement
import Transport

/// What the roles of one node process share: made by the process at start, before any role starts.
public struct NodeServices: Sendable {
    /// The process's own record; complete but for what each role adds in ``NodeRole/start(_:record:)``.
    public var node: NodeID
    public var cluster: ClusterID
    public var tokenSecret: TokenSecret
    public var clock: WallClock
    public var coordinator: any Coordinator
    public var view: any ClusterView
    public var slots: any SlotCaller
    public var client: any CallClient
    /// The event loops of the process's transport, for work that calls bring; a role without them makes its own.
    public var eventLoops: (any EventLoopGroup)?
    /// What makes the cluster this cluster; absent in tests that need none of it.
    public var clusterRecord: ClusterRecord?
    /// Changes the process's record, now and in every later registration.
    public var updateRecord: @Sendable (@escaping @Sendable (inout NodeRecord) -> Void) async throws -> Void = { _ in }
    public var logger: Logger

    public init(
        node: NodeID, cluster: ClusterID, tokenSecret: TokenSecret, clock: WallClock, coordinator: any Coordinator,
        view: any ClusterView, slots: any SlotCaller, client: any CallClient,
        eventLoops: (any EventLoopGroup)? = nil, logger: Logger
    ) {
        self.node = node
        self.cluster = cluster
        self.tokenSecret = tokenSecret
        self.clock = clock
        self.coordinator = coordinator
        self.view = view
        self.slots = slots
        self.client = client
        self.eventLoops = eventLoops
        self.logger = logger
    }
}

/// A role of a node process (guild, gateway, voice), as the process's main sees it.
///
/// The process calls ``start(_:record:)`` once, then registers the node's record with the coordinator and serves
/// ``handlers`` and ``acceptors`` to its peers, and on SIGTERM or SIGINT calls ``drain(until:)`` once.
public protocol NodeRole: AnyObject, Sendable {
    var role: NodeRecord.Role { get }
    /// Calls that peers make to this role, by method. Served from before ``start(_:record:)`` returns.
    var handlers: [CallMethod: any CallHandler] { get }
    /// Streams that peers open to this role, by method.
    var acceptors: [CallMethod: any StreamAcceptor] { get }
    /// Opens listeners and stores, and adds to the record what this role tells the cluster (a gateway's socket path
    /// and client address, a guild node's store). Throws when the role cannot run at all: the process exits.
    func start(_ services: NodeServices, record: inout NodeRecord) async throws
    /// Called once the record is registered: work that needs the node to be known (taking slots) begins.
    func registered() async
    /// `nil` when the role serves, else what it waits for, for `/health/ready`.
    func unreadiness() async -> String?
    /// Stops taking work, finishes or hands over what is under way, and closes what it opened, before `deadline`.
    func drain(until deadline: NIODeadline) async
}

extension NodeRole {
    public func registered() async {}
}
