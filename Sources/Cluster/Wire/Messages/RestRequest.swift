import Identity
import NIOCore

/// A REST request as the router hands it to the slot that owns the entity.
///
/// The router has matched the path and verified the token; everything else, rights and validation included, is the
/// owner's to decide.
public struct RestRequest: Sendable, FieldCodable {
    /// The operationId of Discord's OpenAPI document (`create_message`), or ours for what it lacks (`create_guild`).
    public var operation: String
    /// Path parameters by the names of the OpenAPI document, percent-decoded: `["channel_id": "…"]`.
    public var parameters: [String: String]
    /// Query parameters, percent-decoded, in order; names may repeat.
    public var query: [(name: String, value: String)]
    /// Absent only for operations that need no token.
    public var actor: Actor?
    /// The body as it came, bounded by the router; empty when there was none.
    public var body: ByteBuffer
    /// `X-Audit-Log-Reason`, percent-decoded.
    public var reason: String?
    /// Another user whom the request is about, fetched by the router from their slot (the bot of `authorize_bot`).
    public var subject: UserProfile?
    /// The router has verified the operators' admin token: the `admin_…` operations ask for it.
    public var isOperator: Bool

    public init(
        operation: String, parameters: [String: String] = [:], query: [(name: String, value: String)] = [],
        actor: Actor? = nil, body: ByteBuffer = ByteBuffer(), reason: String? = nil,
        subject: UserProfile? = nil, isOperator: Bool = false
    ) {
        self.operation = operation
        self.parameters = parameters
        self.query = query
        self.actor = actor
        self.body = body
        self.reason = reason
        self.subject = subject
        self.isOperator = isOperator
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, operation)
        for (name, value) in parameters {
            writer.write(2) {
                $0.write(1, name)
                $0.write(2, value)
            }
        }
        for (name, value) in query {
            writer.write(3) {
                $0.write(1, name)
                $0.write(2, value)
            }
        }
        if let actor { writer.write(4, actor) }
        writer.write(5, body)
        writer.write(6, ifPresent: reason)
        if let subject { writer.write(7, subject) }
        if isOperator { writer.write(8, true) }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        self.init(operation: "")
        while let field = try reader.next() {
            switch field.number {
            case 1: operation = try field.string()
            case 2:
                let (name, value) = try Self.pair(field.message())
                parameters[name] = value
            case 3: query.append(try Self.pair(field.message()))
            case 4: actor = try field.message()
            case 5: body = try field.bytes()
            case 6: reason = try field.string()
            case 7: subject = try field.message()
            case 8: isOperator = try field.bool()
            default: break
            }
        }
    }

    private static func pair(_ reader: FieldReader) throws(FieldError) -> (name: String, value: String) {
        var reader = reader
        var pair = (name: "", value: "")
        while let field = try reader.next() {
            switch field.number {
            case 1: pair.name = try field.string()
            case 2: pair.value = try field.string()
            default: break
            }
        }
        return pair
    }
}

/// The answer to a ``RestRequest``: an HTTP status and a JSON body, empty for 204.
public struct RestReply: Hashable, Sendable, FieldCodable {
    public var status: Int
    public var body: ByteBuffer

    public init(status: Int, body: ByteBuffer = ByteBuffer()) {
        self.status = status
        self.body = body
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, status)
        writer.write(2, body)
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var status: Int?
        var body = ByteBuffer()
        while let field = try reader.next() {
            switch field.number {
            case 1: status = try field.int()
            case 2: body = try field.bytes()
            default: break
            }
        }
        self.init(status: try status.required(1), body: body)
    }
}
