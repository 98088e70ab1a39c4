import Identity
import Logging
import NIOCore
import Routing

/// What the edge needs of the rest of the router: fixed for the life of the process, shared by all event loops.
public struct EdgeService: Sendable {
    public var slots: any SlotCaller
    public var view: any ClusterView
    public var tokenSecret: TokenSecret
    public var clock: WallClock
    /// Names this machine, as `NodeRecord.machine` does: gateways here are handed sockets.
    public var machine: String
    /// The address that `GET /gateway` names; `nil` for the one that the client itself used.
    public var gatewayURL: String?
    public var operators: OperatorsAPI
    public var logger: Logger
    /// The monotonic time by which the answers about tokens age.
    public var now: @Sendable () -> NIODeadline = { .now() }

    public init(
        slots: any SlotCaller, view: any ClusterView, tokenSecret: TokenSecret, clock: WallClock, machine: String,
        gatewayURL: String? = nil, operators: OperatorsAPI, logger: Logger
    ) {
        self.slots = slots
        self.view = view
        self.tokenSecret = tokenSecret
        self.clock = clock
        self.machine = machine
        self.gatewayURL = gatewayURL
        self.operators = operators
        self.logger = logger
    }
}
