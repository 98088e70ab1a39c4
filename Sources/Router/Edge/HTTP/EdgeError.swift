import Foundation
import NIOCore
import NIOHTTP1

/// An answer of the edge itself that tells what went wrong, in Discord's form `{message, code, errors}`.
///
/// Source: Discord API, "Opcodes and Status Codes", JSON error codes.
public struct EdgeError: Error, Sendable, Equatable {
    public var status: HTTPResponseStatus
    public var code: Int
    public var message: String
    /// What is wrong with one field, for code 50035.
    public var field: Field?
    public var retryAfterSeconds: Int?
    /// The value of `Allow`, for 405.
    public var allow: String?
    /// What the client sent cannot be told apart from a next request: the connection ends.
    public var closesConnection = false

    public struct Field: Sendable, Equatable {
        public var name: String
        public var code: String
        public var message: String
    }

    public init(_ status: HTTPResponseStatus, code: Int = 0, _ message: String? = nil) {
        self.status = status
        self.code = code
        self.message = message ?? "\(status.code): \(status.reasonPhrase)"
    }

    public static let unauthorized = EdgeError(.unauthorized)
    public static let forbidden = EdgeError(.forbidden)
    public static let notFound = EdgeError(.notFound)
    public static let unknownApplication = EdgeError(.notFound, code: 10002, "Unknown Application")
    public static let unknownInvite = EdgeError(.notFound, code: 10006, "Unknown Invite")
    public static let onlyBotsAllowed = EdgeError(.forbidden, code: 20002, "Only bots can use this endpoint")
    public static let invalidVersion = EdgeError(.badRequest, code: 50041, "Invalid API version")
    public static let invalidJSON = EdgeError(
        .badRequest, code: 50109, "The request body contains invalid JSON.")
    /// Discord's code for a file that it does not take.
    public static let filesNotAccepted = EdgeError(
        .badRequest, code: 50046, "Invalid file uploaded: this cluster takes no attachments")
    public static let internalError = EdgeError(.internalServerError)
    /// The request was not executed, or only reads: the client may ask again.
    public static let timeout = EdgeError(.gatewayTimeout).retry(after: 1)
    /// A change may have been made or not. No status that libraries answer by asking again (014-unknown-outcomes.md).
    public static let outcomeUnknown = EdgeError(
        .custom(code: 520, reasonPhrase: "Outcome Unknown"),
        "520: No answer in time. The request may have been carried out; look before you repeat it.")
    public static let unavailable = EdgeError(.serviceUnavailable).retry(after: 1)
    /// No change is made until the machines' clocks are set. Asking again at once is of no use.
    public static let clockApart = EdgeError(
        .serviceUnavailable, "503: The clocks of this cluster's machines differ. Its operator has to set them."
    ).retry(after: 30)
    public static let tooLarge = EdgeError(
        .payloadTooLarge, code: 40005, "Request entity too large. Try sending something smaller"
    ).closing()

    public static func methodNotAllowed(_ methods: [String]) -> EdgeError {
        var error = EdgeError(.methodNotAllowed)
        error.allow = methods.joined(separator: ", ")
        return error
    }

    public static func invalidForm(_ field: String, code: String, _ message: String) -> EdgeError {
        var error = EdgeError(.badRequest, code: 50035, "Invalid Form Body")
        error.field = Field(name: field, code: code, message: message)
        return error
    }

    public static func notSnowflake(_ field: String, _ value: String) -> EdgeError {
        .invalidForm(field, code: "NUMBER_TYPE_COERCE", "Value \"\(value.prefix(64))\" is not snowflake.")
    }

    func retry(after seconds: Int) -> EdgeError {
        var error = self
        error.retryAfterSeconds = seconds
        return error
    }

    func closing() -> EdgeError {
        var error = self
        error.closesConnection = true
        return error
    }

    private struct Body: Encodable {
        struct Leaf: Encodable {
            var code: String
            var message: String
        }
        var message: String
        var code: Int
        var errors: [String: [String: [Leaf]]]?
    }

    public var response: EdgeResponse {
        let errors = field.map { [$0.name: ["_errors": [Body.Leaf(code: $0.code, message: $0.message)]]] }
        var headers: [(name: String, value: String)] = []
        if let retryAfterSeconds { headers.append(("Retry-After", String(retryAfterSeconds))) }
        if let allow { headers.append(("Allow", allow)) }
        var response = EdgeResponse(
            status: status, body: JSON.encode(Body(message: message, code: code, errors: errors)), headers: headers)
        response.closesConnection = closesConnection
        return response
    }
}

/// JSON of the edge's own answers, none of which is on a busy path; names are `camelCase` here and `snake_case` there.
enum JSON {
    static func encode(_ value: some Encodable) -> ByteBuffer {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        // Strings, integers, Booleans, arrays and dictionaries of them: there is nothing that the encoder refuses.
        guard let data = try? encoder.encode(value) else { return ByteBuffer(string: "{}") }
        return ByteBuffer(bytes: data)
    }

    /// - Throws: ``EdgeError/invalidJSON``, or 50035 naming the first field that is wrong.
    static func decode<Value: Decodable>(_ body: ByteBuffer) throws(EdgeError) -> Value {
        do {
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            return try decoder.decode(Value.self, from: Data(body.readableBytesView))
        } catch let error as DecodingError {
            throw describe(error)
        } catch {
            throw .invalidJSON
        }
    }

    private static func describe(_ error: DecodingError) -> EdgeError {
        switch error {
        case .keyNotFound(let key, _):
            .invalidForm(snakeCase(key.stringValue), code: "BASE_TYPE_REQUIRED", "This field is required")
        case .valueNotFound(_, let context), .typeMismatch(_, let context):
            context.codingPath.isEmpty
                ? .invalidJSON
                : .invalidForm(
                    path(context), code: "BASE_TYPE_BAD_TYPE",
                    "This field has another type")
        case .dataCorrupted(let context):
            context.codingPath.isEmpty
                ? .invalidJSON
                : .invalidForm(
                    path(context), code: "NUMBER_TYPE_COERCE",
                    "This field's value is not valid")
        @unknown default: .invalidJSON
        }
    }

    private static func path(_ context: DecodingError.Context) -> String {
        context.codingPath.map { snakeCase($0.stringValue) }.joined(separator: ".")
    }

    private static func snakeCase(_ name: String) -> String {
        name.reduce(into: "") { text, character in
            if character.isUppercase { text += "_" }
            text += character.lowercased()
        }
    }
}
