import NIOHTTP1
import Testing

@testable import Edge

@Suite("The route table")
struct RouteTableTests {
    private let table = RouteTable(APIRoutes.all)

    private func operation(_ method: HTTPMethod, _ path: Substring) -> String? {
        if case .route(let route, _) = table.match(method, path) { route.operation } else { nil }
    }

    @Test("finds every operation by its own template, with its parameters")
    func everyRoute() throws {
        for route in APIRoutes.all {
            var expected: [String: String] = [:]
            let path = route.template.split(separator: "/").enumerated().map { position, segment in
                guard segment.hasPrefix("{") else { return String(segment) }
                expected[String(segment.dropFirst().dropLast())] = "\(position)000"
                return "\(position)000"
            }
            guard case .route(let found, let parameters) = table.match(route.method, "/\(path.joined(separator: "/"))")
            else {
                Issue.record("no route for \(route.operation)")
                continue
            }
            #expect(found.operation == route.operation && found.template == route.template)
            #expect(parameters == expected)
        }
    }

    @Test("a literal segment wins over a parameter, and falls back to it where the literal has no such method")
    func literals() {
        #expect(operation(.GET, "/users/@me") == "get_my_user")
        #expect(operation(.GET, "/users/17") == "get_user")
        #expect(operation(.PATCH, "/guilds/1/members/@me") == "update_my_guild_member")
        #expect(operation(.GET, "/guilds/1/members/@me") == "get_guild_member")
    }

    @Test("says which methods a known path has")
    func otherMethods() {
        guard case .otherMethods(let methods) = table.match(.PUT, "/channels/1/messages") else {
            Issue.record("the path is known")
            return
        }
        #expect(methods == ["GET", "POST"])
    }

    @Test("HEAD finds what GET finds, and one slash at the end is ignored")
    func headAndSlash() {
        #expect(operation(.HEAD, "/gateway") == "get_gateway")
        #expect(operation(.GET, "/gateway/") == "get_gateway")
        #expect(operation(.GET, "/gateway//") == nil)
    }

    @Test(
        "refuses paths that lead nowhere",
        arguments: [
            "", "gateway", "/", "/nothing", "/channels", "/channels//messages", "/users/@me/guilds/1/2",
            "/channels/%zz", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n",
        ])
    func nowhere(_ path: String) {
        guard case .none = table.match(.GET, path[...]) else {
            Issue.record("\(path) must have no route")
            return
        }
    }

    @Test("parameters are percent-decoded")
    func decoding() {
        guard case .route(_, let parameters) = table.match(.GET, "/invites/a%2Fb") else {
            Issue.record("the path is known")
            return
        }
        #expect(parameters == ["code": "a/b"])
    }

    @Test("versions 10 and 9 and none lead to the same path; others are refused")
    func versions() {
        #expect(APIVersion.split("/api/v10/users/@me") == .path("/users/@me"))
        #expect(APIVersion.split("/api/v9/users/@me") == .path("/users/@me"))
        #expect(APIVersion.split("/api/users/@me") == .path("/users/@me"))
        #expect(APIVersion.split("/api/v8/users/@me") == .unknownVersion)
        #expect(APIVersion.split("/apiv10/users") == .elsewhere)
        #expect(APIVersion.split("/") == .elsewhere)
    }

    @Test("changes are told from reads")
    func mutating() {
        #expect(APIRoutes.all.allSatisfy { $0.method != .GET || !$0.isMutating })
        let quiet = APIRoutes.all.filter { $0.method != .GET && !$0.isMutating }.map(\.operation)
        #expect(quiet == ["trigger_typing_indicator"])
    }
}
