import Domain

enum MemberOperations {
    static let operations: [String: OperationHandler] = [:]
}
