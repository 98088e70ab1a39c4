import NIOCore
import Wire

/// An answer that tells a client what it did wrong, in Discord's form `{code, message, errors}`.
///
/// Source: Discord API, "Opcodes and Status Codes", JSON error codes.
public struct APIError: Error, Hashable, Sendable {
    /// The HTTP status.
    public var status: Int
    /// Discord's JSON error code; 0 for a general error.
    public var code: Int
    public var message: String
    /// Errors by field, for code 50035.
    public var fields: [FieldFault]

    /// What is wrong with one field of a form body.
    public struct FieldFault: Hashable, Sendable {
        /// The way to the field: names and array positions, as in `embeds.0.title`.
        public var path: [String]
        /// Discord's code, such as `BASE_TYPE_BAD_LENGTH`.
        public var code: String
        public var message: String

        public init(path: [String], code: String, message: String) {
            self.path = path
            self.code = code
            self.message = message
        }
    }

    public init(status: Int, code: Int, message: String, fields: [FieldFault] = []) {
        self.status = status
        self.code = code
        self.message = message
        self.fields = fields
    }

    public static let unauthorized = APIError(status: 401, code: 0, message: "401: Unauthorized")
    public static let notFound = APIError(status: 404, code: 0, message: "404: Not Found")
    public static let methodNotAllowed = APIError(status: 405, code: 0, message: "405: Method Not Allowed")
    public static let unknownAccount = APIError(status: 404, code: 10001, message: "Unknown account")
    public static let unknownApplication = APIError(status: 404, code: 10002, message: "Unknown Application")
    public static let unknownChannel = APIError(status: 404, code: 10003, message: "Unknown Channel")
    public static let unknownGuild = APIError(status: 404, code: 10004, message: "Unknown Guild")
    public static let unknownInvite = APIError(status: 404, code: 10006, message: "Unknown Invite")
    public static let unknownMember = APIError(status: 404, code: 10007, message: "Unknown Member")
    public static let unknownMessage = APIError(status: 404, code: 10008, message: "Unknown Message")
    public static let unknownOverwrite = APIError(status: 404, code: 10009, message: "Unknown Permission Overwrite")
    public static let unknownRole = APIError(status: 404, code: 10011, message: "Unknown Role")
    public static let unknownUser = APIError(status: 404, code: 10013, message: "Unknown User")
    public static let botsNotAllowed = APIError(
        status: 403, code: 20001, message: "Bots cannot use this endpoint")
    public static let onlyBotsAllowed = APIError(
        status: 403, code: 20002, message: "Only bots can use this endpoint")
    public static let missingAccess = APIError(status: 403, code: 50001, message: "Missing Access")
    public static let cannotEditAnothersMessage = APIError(
        status: 403, code: 50005, message: "Cannot edit a message authored by another user")
    public static let emptyMessage = APIError(status: 400, code: 50006, message: "Cannot send an empty message")
    public static let missingPermissions = APIError(status: 403, code: 50013, message: "Missing Permissions")
    public static let tooOldForBulkDelete = APIError(
        status: 400, code: 50034, message: "A message provided was too old to bulk delete")
    public static let invalidJSON = APIError(
        status: 400, code: 50109, message: "The request body contains invalid JSON.")
    /// A maximum (30xxx) is reached.
    public static func maximum(_ code: Int, _ what: String, _ limit: Int) -> APIError {
        APIError(status: 400, code: code, message: "Maximum number of \(what) reached (\(limit))")
    }

    public static func invalidForm(_ fields: [FieldFault]) -> APIError {
        APIError(status: 400, code: 50035, message: "Invalid Form Body", fields: fields)
    }

    public static func invalidForm(_ path: String..., code: String, message: String) -> APIError {
        .invalidForm([FieldFault(path: path, code: code, message: message)])
    }
}
