import Testing

@testable import User

/// Passwords in a suite's tests are hashed at the least cost: a hash of standard cost takes a debug build a second.
struct CheapHashes: SuiteTrait, TestTrait, TestScoping {
    var isRecursive: Bool { true }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await PasswordHash.$newCost.withValue(.forTests, operation: function)
    }
}

extension Trait where Self == CheapHashes {
    static var cheapHashes: CheapHashes { CheapHashes() }
}

extension PasswordHash.Cost {
    static let forTests = PasswordHash.Cost(rounds: 1 << 4, blockSize: 8, parallelism: 1)
}
