import Domain

enum BotOperations {
    static let operations: [String: OperationHandler] = [:]
}
