import Identity
import NIOCore
import Wire

/// The first exchange on a connection (PROTOCOL.md "Handshake").
///
/// The dialling side sends preface and hello. The accepting side reads them, and answers with preface and hello, or
/// with a refusal. Both speak the highest version that both know. Either side may not know its cluster's id yet; two
/// ids that differ end the connection. Under mutual TLS the peer's certificate must name the node that its hello names.
struct Handshake: Sendable {
    enum Role: Sendable {
        case dialling(expected: NodeID)
        case accepting
    }

    /// What a completed handshake has settled.
    struct Peer: Hashable, Sendable {
        var node: NodeID
        var cluster: ClusterID?
        var version: UInt64
        var lane: Lane
        var mapEpoch: Epoch
    }

    let role: Role
    /// Ours. The accepting side takes over the peer's lane.
    private(set) var hello: Hello

    /// Judges the peer's first frame.
    ///
    /// - Parameter certificateNames: the names in the peer's certificate; `nil` without TLS.
    /// - Throws: why the connection ends; the accepting side sends it to the peer.
    mutating func receive(_ frame: Frame, certificateNames: [String]?) throws(Refusal) -> Peer {
        switch frame.type {
        case .hello: break
        case .refusal:
            let refusal = try? Refusal(decoding: frame.fields)
            throw Refusal(refusal?.code ?? .malformed, "the peer refused: " + (refusal?.reason ?? "unreadable reason"))
        default: throw Refusal(.malformed, "expected a hello, got a frame of type \(frame.type.rawValue)")
        }
        let theirs: Hello
        do {
            theirs = try Hello(decoding: frame.fields)
        } catch {
            throw Refusal(.malformed, "unreadable hello: \(error)")
        }
        let version = min(theirs.versions.upperBound, hello.versions.upperBound)
        guard theirs.versions.contains(version), hello.versions.contains(version) else {
            throw Refusal(.version, "we speak versions \(hello.versions), the peer \(theirs.versions)")
        }
        if let ours = hello.cluster, let foreign = theirs.cluster, ours != foreign {
            throw Refusal(.foreignCluster, "we belong to cluster \(ours), the peer to \(foreign)")
        }
        guard let raw = UInt8(exactly: theirs.lane), let lane = Lane(rawValue: raw) else {
            throw Refusal(.unknownLane, "lane \(theirs.lane)")
        }
        switch role {
        case .dialling(let expected):
            guard theirs.node == expected else {
                throw Refusal(.wrongNode, "dialled \(expected), \(theirs.node) answered")
            }
            guard theirs.lane == hello.lane else { throw Refusal(.malformed, "the peer answered with another lane") }
        case .accepting:
            hello.lane = theirs.lane
        }
        if let certificateNames, !certificateNames.contains(theirs.node.rawValue) {
            throw Refusal(.wrongNode, "the peer's certificate does not name \(theirs.node)")
        }
        return Peer(
            node: theirs.node, cluster: theirs.cluster, version: version, lane: lane, mapEpoch: theirs.mapEpoch)
    }
}
