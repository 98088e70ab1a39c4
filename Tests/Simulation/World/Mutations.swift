import Replication

/// The deliberate faults that this build can make: none, but in a build with GUILDHALL_MUTATIONS=1.
public enum Mutations {
    public static var names: [String] {
        #if GUILDHALL_MUTATIONS
            Mutation.allCases.map(\.rawValue)
        #else
            []
        #endif
    }

    /// Makes all worlds from now on break the protocol in this way; in none when `name` is `nil`.
    ///
    /// - Returns: whether the build knows it.
    @discardableResult
    public static func select(_ name: String?) -> Bool {
        #if GUILDHALL_MUTATIONS
            Mutation.active = name.flatMap(Mutation.init(rawValue:))
            return name == nil || Mutation.active != nil
        #else
            return name == nil
        #endif
    }
}
