import Domain

enum InviteOperations {
    static let operations: [String: OperationHandler] = [:]
}
