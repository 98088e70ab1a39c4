import Identity
import Logging
import NIOCore
import Transport
import Wire

/// What a loop needs of the rest of the gateway. What its functions find out comes back by ``LoopPost/post(_:)``.
struct LoopContext: Sendable {
    var node: NodeID
    var settings: GatewaySettings
    var tokenSecret: TokenSecret
    var logger: Logger
    var metrics: GatewayMetrics
    var pace: IdentifyPace
    /// Asks the user's slot about a well-signed token; answered by ``LoopMessage/authenticated(connection:_:)``.
    var authenticate: @Sendable (Token, _ loop: any LoopPost, _ connection: UInt64) -> Void
    /// Answered by ``LoopMessage/resumed(connection:_:)``.
    var resume: @Sendable (SessionID, Token, _ sequence: Int, _ loop: Int, _ connection: UInt64) -> Void
    /// Answered by ``LoopMessage/dispatches(session:type:payloads:)``.
    var requestMembers: @Sendable (MemberRequest, _ loop: any LoopPost) -> Void
    var follow: @Sendable ([FollowRequest], _ loop: Int) -> Void
    var sessionBegan: @Sendable (SessionID, _ loop: Int) -> Void
    var sessionEnded: @Sendable (SessionID, _ loop: Int) -> Void
    /// The session is on its way to a peer.
    var sessionLeaves: @Sendable (SessionID, _ loop: Int) -> Void
    /// The journal's stream takes no more, or its answers are far too late.
    var journalLost: @Sendable (any TransportStream, _ reason: String) -> Void
}

/// REQUEST_GUILD_MEMBERS of a session.
struct MemberRequest: Sendable {
    var session: SessionID
    var actor: Actor
    var request: GuildMembersRequest
    var hasMembersIntent: Bool
}
