/// What a coordinator takes in; the same for every implementation, within what etcd's defaults allow.
public enum CoordinatorLimits {
    /// Bytes of a key.
    public static let maximumKeyLength = 512
    /// Bytes of a value. A node's record has a few hundred.
    public static let maximumValueLength = 256 * 1024
    /// Keys in all: 1,024 rows, and records of at most some thousand nodes.
    public static let maximumEntries = 65_536
    /// Leases at once: a process holds one.
    public static let maximumLeases = 65_536
    public static let shortestLease: Duration = .milliseconds(100)
    public static let longestLease: Duration = .seconds(86_400)
}

extension CoordinatorTransaction {
    /// Says what is wrong with the transaction by itself, whatever the state.
    public func validate() throws(CoordinatorFailure) {
        guard !operations.isEmpty, operations.count <= CoordinatorTransaction.maximumOperations else {
            throw .invalid("a transaction has 1 to \(CoordinatorTransaction.maximumOperations) operations")
        }
        guard conditions.count <= CoordinatorTransaction.maximumOperations else {
            throw .invalid("a transaction has at most \(CoordinatorTransaction.maximumOperations) conditions")
        }
        for case .absent(let key) in conditions { try CoordinatorTransaction.validate(key: key) }
        for case .revision(let key, _) in conditions { try CoordinatorTransaction.validate(key: key) }
        var keys: Set<String> = []
        for operation in operations {
            try CoordinatorTransaction.validate(key: operation.key)
            guard keys.insert(operation.key).inserted else {
                throw .invalid("a transaction changes the key \(operation.key) twice")
            }
            if case .put(_, let value, _) = operation, value.readableBytes > CoordinatorLimits.maximumValueLength {
                throw .invalid("the value of \(operation.key) is longer than \(CoordinatorLimits.maximumValueLength)")
            }
        }
    }

    private static func validate(key: String) throws(CoordinatorFailure) {
        let bytes = key.utf8
        guard (1...CoordinatorLimits.maximumKeyLength).contains(bytes.count),
            bytes.allSatisfy({ (0x21...0x7e).contains($0) })
        else { throw .invalid("a key has 1 to \(CoordinatorLimits.maximumKeyLength) visible ASCII characters") }
    }
}

extension CoordinatorTransaction.Operation {
    public var key: String {
        switch self {
        case .put(let key, _, _): key
        case .delete(let key): key
        }
    }
}
