import Domain

/// The operations on the messages of a guild's channels.
enum MessageOperations {
    static let operations: [String: OperationHandler] = [:]
}
