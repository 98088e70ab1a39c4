/// Splits the version off a path of the API: `/api/v10/…`, `/api/v9/…` and `/api/…` lead to the same operations.
public enum APIVersion {
    public enum Split: Equatable {
        /// The rest of the path, from its slash on.
        case path(Substring)
        /// A version that is not served.
        case unknownVersion
        /// Not a path of the API.
        case elsewhere
    }

    public static func split(_ path: Substring) -> Split {
        guard path.hasPrefix("/api/") else { return .elsewhere }
        let rest = path.dropFirst(4)
        let segment = rest.dropFirst().prefix { $0 != "/" }
        guard segment.first == "v", segment.count > 1, segment.dropFirst().allSatisfy(\.isNumber) else {
            return .path(rest)
        }
        guard segment == "v10" || segment == "v9" else { return .unknownVersion }
        return .path(rest.dropFirst(1 + segment.count))
    }
}
