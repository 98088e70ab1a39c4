import Domain

enum ChannelOperations {
    static let operations: [String: OperationHandler] = [:]

    /// The name that a channel gets: text channels are written in lower case, with dashes for spaces.
    static func name(_ text: String, for kind: Channel.Kind) -> String {
        let name = text.trimmed
        guard kind == .text else { return name }
        return name.lowercased().split(whereSeparator: \.isWhitespace).joined(separator: "-")
    }
}
