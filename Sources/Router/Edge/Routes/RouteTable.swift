import NIOHTTP1

/// Finds the route of a method and path, in time bounded by the path's length.
///
/// A trie of path segments. A literal segment wins over a parameter; when the literal's branch has no route for the
/// rest of the path and the method, the parameter's is tried. A request for HEAD finds the route of GET.
public struct RouteTable: Sendable {
    /// Paths with more segments have no route; it bounds the walk.
    public static let maximumSegments = 12

    public enum Match: Sendable {
        case route(Route, parameters: [String: String])
        /// The path is known, but not for this method; the methods that it has, in alphabetical order.
        case otherMethods([String])
        case none
    }

    private struct Node {
        var literals: [String: Int] = [:]
        var parameter: Int?
        /// Route numbers by method.
        var routes: [String: Int] = [:]
    }

    private var nodes = [Node()]
    /// The routes, and for each the names of its parameters in the order of the path.
    private var routes: [(route: Route, names: [String])] = []

    /// - Precondition: no two routes have the same method and shape of path.
    public init(_ routes: [Route]) {
        for route in routes { insert(route) }
    }

    private mutating func insert(_ route: Route) {
        var at = 0
        var names: [String] = []
        let segments = route.template.split(separator: "/")
        precondition(segments.count <= RouteTable.maximumSegments, "the path of \(route.operation) is too long")
        for segment in segments {
            if segment.hasPrefix("{"), segment.hasSuffix("}") {
                names.append(String(segment.dropFirst().dropLast()))
                if nodes[at].parameter == nil {
                    nodes.append(Node())
                    nodes[at].parameter = nodes.count - 1
                }
                at = nodes[at].parameter ?? 0
            } else {
                if nodes[at].literals[String(segment)] == nil {
                    nodes.append(Node())
                    nodes[at].literals[String(segment)] = nodes.count - 1
                }
                at = nodes[at].literals[String(segment)] ?? 0
            }
        }
        precondition(nodes[at].routes[route.method.rawValue] == nil, "\(route.operation) hides another route")
        nodes[at].routes[route.method.rawValue] = routes.count
        routes.append((route, names))
    }

    /// - Parameter path: after the version, still percent-encoded, without the query; one slash at its end is ignored.
    public func match(_ method: HTTPMethod, _ path: Substring) -> Match {
        var segments = path.split(
            separator: "/", maxSplits: RouteTable.maximumSegments + 1, omittingEmptySubsequences: false)
        guard segments.first?.isEmpty == true else { return .none }
        segments.removeFirst()
        if segments.last?.isEmpty == true { segments.removeLast() }
        guard segments.count <= RouteTable.maximumSegments else { return .none }
        let name = method == .HEAD ? "GET" : method.rawValue
        var values: [Substring] = []
        var methods: Set<String> = []
        guard let found = walk(0, segments[...], name, &values, &methods) else {
            return methods.isEmpty ? .none : .otherMethods(methods.sorted())
        }
        let (route, names) = routes[found]
        var parameters: [String: String] = [:]
        parameters.reserveCapacity(names.count)
        for (name, value) in zip(names, values) {
            guard let decoded = PercentEncoding.decode(value) else { return .none }
            parameters[name] = decoded
        }
        return .route(route, parameters: parameters)
    }

    private func walk(
        _ at: Int, _ segments: ArraySlice<Substring>, _ method: String, _ values: inout [Substring],
        _ methods: inout Set<String>
    ) -> Int? {
        guard let segment = segments.first else {
            if let route = nodes[at].routes[method] { return route }
            methods.formUnion(nodes[at].routes.keys)
            return nil
        }
        let rest = segments.dropFirst()
        if let next = nodes[at].literals[String(segment)], let found = walk(next, rest, method, &values, &methods) {
            return found
        }
        guard let next = nodes[at].parameter, !segment.isEmpty else { return nil }
        values.append(segment)
        if let found = walk(next, rest, method, &values, &methods) { return found }
        values.removeLast()
        return nil
    }
}
