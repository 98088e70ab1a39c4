/// Everything that is wrong with a process's settings, at once.
public struct SettingsFailure: Error, Hashable, Sendable, CustomStringConvertible {
    public var problems: [String]

    public init(problems: [String]) { self.problems = problems }

    public var description: String {
        (["The configuration has \(problems.count == 1 ? "a problem" : "\(problems.count) problems"):"]
            + problems.map { "  - " + $0 }).joined(separator: "\n")
    }
}
