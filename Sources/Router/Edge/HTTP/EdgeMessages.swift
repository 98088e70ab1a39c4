import NIOCore
import NIOHTTP1

/// A whole request, bounded by ``EdgeLimits``.
public struct EdgeRequest: Sendable {
    public var method: HTTPMethod
    /// Percent-encoded, without the query.
    public var path: Substring
    /// Percent-encoded, without its question mark.
    public var query: Substring
    public var headers: HTTPHeaders
    public var body: ByteBuffer
    /// The client, as `address:port`.
    public var peer: String
    public var deadline: NIODeadline

    public init(
        method: HTTPMethod, target: String, headers: HTTPHeaders, body: ByteBuffer = ByteBuffer(), peer: String = "",
        deadline: NIODeadline
    ) {
        self.method = method
        let mark = target.utf8.firstIndex(of: UInt8(ascii: "?")) ?? target.endIndex
        path = target[..<mark]
        query = mark == target.endIndex ? "" : target[target.index(after: mark)...]
        self.headers = headers
        self.body = body
        self.peer = peer
        self.deadline = deadline
    }
}

/// An answer: a status, and a JSON body unless it is empty.
public struct EdgeResponse: Sendable {
    public var status: HTTPResponseStatus
    public var body: ByteBuffer
    /// Beside Content-Type, Content-Length and Connection, which the connection adds.
    public var headers: [(name: String, value: String)]
    /// The connection ends with this answer.
    public var closesConnection = false

    public init(
        status: HTTPResponseStatus, body: ByteBuffer = ByteBuffer(), headers: [(name: String, value: String)] = []
    ) {
        self.status = status
        self.body = body
        self.headers = headers
    }
}
