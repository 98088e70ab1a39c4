/// One step of stopping a cluster: which processes, and how long they may take.
struct StopPhase: Sendable {
    let roles: Set<ProcessPlan.Role>
    let limit: Duration

    /// Gateways first, which tell their clients to come back; then guild nodes, which close their stores; the router,
    /// which holds the coordinator that the others deregister at, last, or etcd in its place.
    static let all: [StopPhase] = [
        StopPhase(roles: [.gateway], limit: .seconds(8)),
        StopPhase(roles: [.guild], limit: .seconds(15)),
        StopPhase(roles: [.router], limit: .seconds(8)),
        StopPhase(roles: [.etcd], limit: .seconds(8)),
    ]
}
