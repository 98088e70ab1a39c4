import Domain

enum RoleOperations {
    static let operations: [String: OperationHandler] = [:]
}
