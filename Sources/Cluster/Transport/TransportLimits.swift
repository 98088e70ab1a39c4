import NIOCore

/// The bounds of a transport; every queue and every wait of it has one here.
public struct TransportLimits: Sendable {
    /// Calls that one connection has under way, in each direction. Beyond it calls fail as overloaded.
    public var callsInFlight = 16_384
    /// Streams that one connection carries.
    public var streams = 1_024
    /// Bytes that wait to be written to one connection, before calls on it fail as overloaded.
    public var queuedBytes = 64 << 20
    /// Items that a stream's other side may send before we say that we consumed some.
    public var streamWindow = 1_024
    /// Items and bytes that wait in one stream for credit; beyond either, ``TransportStream/send(_:)`` refuses.
    public var streamQueueItems = 16_384
    public var streamQueueBytes = 64 << 20
    /// Connections that a server holds at once; more are closed at once.
    public var connections = 4_096

    public var connectTimeout = TimeAmount.seconds(2)
    /// From the connection to the end of the handshake, TLS included.
    public var handshakeTimeout = TimeAmount.seconds(5)
    /// After so long without a byte from the peer, it is pinged.
    public var pingInterval = TimeAmount.seconds(2)
    /// After so long without a byte from the peer, the connection counts as lost.
    public var silenceTimeout = TimeAmount.seconds(6)
    /// A client closes a connection that carried no call or stream for so long.
    public var unusedTimeout = TimeAmount.minutes(5)
    /// After a failed connection attempt calls fail at once for so long, doubling up to the maximum.
    public var reconnectDelay = TimeAmount.milliseconds(50)
    public var maximumReconnectDelay = TimeAmount.seconds(2)

    public init() {}

    /// The longest frame before the handshake is done: a hello is far below it.
    static let handshakeFrameLength = 4_096
    /// The longest time that a call may ask for; longer deadlines are cut to it.
    static let longestDeadline = TimeAmount.hours(1)
}

extension Lane {
    /// The longest frame of the lane, in bytes. Control messages are small; requests hold an HTTP body; events hold a
    /// guild's snapshot; replication and bulk hold batches that their senders cut.
    public var maximumFrameLength: Int {
        switch self {
        case .control: 4 << 20
        case .request, .replication, .bulk: 16 << 20
        case .event: 32 << 20
        }
    }

    /// The longest body of a call or stream item: a frame without its header and the most that fields take.
    public var maximumBodyLength: Int { maximumFrameLength - (128 << 10) }
}
