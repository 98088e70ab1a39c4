import NIOCore

/// The connections of one event loop, looked at a few times a second for what has taken too long.
///
/// One timer a loop instead of one a connection: a deadline costs a request no more than storing it. Only touched on
/// its event loop.
final class ConnectionSweep {
    /// How late a deadline may be noticed.
    static let interval: TimeAmount = .milliseconds(250)

    private let eventLoop: any EventLoop
    private var connections: [ObjectIdentifier: ConnectionHandler] = [:]
    private var timer: RepeatedTask?
    private var isDraining = false

    init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    var count: Int { connections.count }

    func add(_ connection: ConnectionHandler) {
        connections[ObjectIdentifier(connection)] = connection
        if isDraining { connection.drain() }
        guard timer == nil else { return }
        let sweep = NIOLoopBound(self, eventLoop: eventLoop)
        timer = eventLoop.scheduleRepeatedTask(initialDelay: Self.interval, delay: Self.interval) { _ in
            sweep.value.look()
        }
    }

    func remove(_ connection: ConnectionHandler) {
        connections[ObjectIdentifier(connection)] = nil
        guard connections.isEmpty else { return }
        timer?.cancel()
        timer = nil
    }

    /// From now on connections end with the answer that they wait for.
    func drain() {
        isDraining = true
        for connection in Array(connections.values) { connection.drain() }
    }

    private func look() {
        let now = NIODeadline.now()
        for connection in Array(connections.values) { connection.expire(now: now) }
    }
}
