import Foundation
import Identity
import NIOCore
import NIOHTTP1
import Routing
import Wire

/// Operations that the router composes of several calls, or answers itself.
extension Responder {
    func compose(
        _ call: RestRequest, _ request: EdgeRequest, _ target: CallTarget
    ) async throws(EdgeError) -> EdgeResponse {
        switch call.operation {
        case "get_gateway":
            return EdgeResponse(status: .ok, body: JSON.encode(["url": gatewayURL(for: request)]))
        case "get_bot_gateway": return try await botGateway(call, request, target)
        case "list_my_guilds": return try await listMyGuilds(call, target)
        case "login": return try await logIn(call, target)
        default: throw .notFound
        }
    }

    // MARK: Gateway

    /// The router's own address as the client reached it: it hands WebSockets to the gateways.
    private func gatewayURL(for request: EdgeRequest) -> String {
        if let url = service.gatewayURL { return url }
        let host = request.headers.first(name: "host") ?? "localhost"
        let isHost =
            host.utf8.count <= 255
            && host.utf8.allSatisfy {
                (97...122).contains($0) || (65...90).contains($0) || (45...58).contains($0)
                    || [91, 93, 95].contains($0)
            }
        let isSecure = request.headers.first(name: "x-forwarded-proto") == "https"
        return "\(isSecure ? "wss" : "ws")://\(isHost ? host : "localhost")"
    }

    private struct BotGateway: Encodable {
        struct Limit: Encodable {
            var total = SessionStarts.total
            var remaining: Int
            var resetAfter: Int
            var maxConcurrency = SessionStarts.maximumConcurrency
        }
        var url: String
        var shards: Int
        var sessionStartLimit: Limit
    }

    /// Guilds that one shard is recommended for, as Discord does; a shard serves at most 2,500.
    static let guildsPerShard = 1000

    private func botGateway(
        _ call: RestRequest, _ request: EdgeRequest, _ target: CallTarget
    ) async throws(EdgeError) -> EdgeResponse {
        guard let actor = call.actor else { throw .unauthorized }
        guard actor.profile.isBot else { throw .onlyBotsAllowed }
        let guilds = try await guildIDs(of: actor, target)
        let shards = max(1, (guilds.count + Self.guildsPerShard - 1) / Self.guildsPerShard)
        let starts = await sessionStarts(of: actor, target)
        let limit = BotGateway.Limit(remaining: starts.remaining, resetAfter: starts.resetAfterMilliseconds)
        return EdgeResponse(
            status: .ok,
            body: JSON.encode(
                BotGateway(url: gatewayURL(for: request), shards: shards, sessionStartLimit: limit)))
    }

    /// What the bot's slot has counted; as if nothing were, when it does not say.
    private func sessionStarts(of actor: Actor, _ target: CallTarget) async -> SessionStarts {
        let body = AuthenticateRequest(userID: actor.userID, tokenID: actor.tokenID).encoded()
        let reply = try? await service.slots.call(
            actor.userID.slot, kind: .authenticate, body: body, requestID: nil, deadline: target.deadline)
        return reply.flatMap { try? AuthenticateReply(decoding: $0) }?.sessionStarts ?? SessionStarts()
    }

    // MARK: Guild list

    /// Guilds asked at once for one client's list.
    static let concurrentSummaries = 16

    private func guildIDs(of actor: Actor, _ target: CallTarget) async throws(EdgeError) -> [GuildID] {
        let call = RestRequest(operation: "list_my_guild_ids", actor: actor)
        let reply = try await reply(actor.userID.slot, call, CallTarget(deadline: target.deadline))
        guard reply.status == 200 else { throw .internalError }
        return try JSON.decode(reply.body)
    }

    private func listMyGuilds(_ call: RestRequest, _ target: CallTarget) async throws(EdgeError) -> EdgeResponse {
        guard let actor = call.actor else { throw .unauthorized }
        let page = try GuildPage(query: call.query)
        let ids = page.select(try await guildIDs(of: actor, target))
        var query: [(name: String, value: String)] = []
        if page.withCounts { query.append(("with_counts", "true")) }
        var summaries: [Int: ByteBuffer] = [:]
        var failure: EdgeError?
        await withTaskGroup(of: (Int, Result<RestReply, EdgeError>).self) { group in
            var next = 0
            func add() {
                guard next < ids.count else { return }
                let (at, id) = (next, ids[next])
                next += 1
                let call = RestRequest(
                    operation: "my_guild_summary", parameters: ["guild_id": id.description], query: query,
                    actor: actor)
                group.addTask {
                    do throws(EdgeError) {
                        let reply = try await self.reply(id.slot, call, target)
                        return (at, .success(reply))
                    } catch {
                        return (at, .failure(error))
                    }
                }
            }
            for _ in 0..<Self.concurrentSummaries { add() }
            for await (at, result) in group {
                switch result {
                case .success(let reply) where reply.status == 200: summaries[at] = reply.body
                // The guild is the authority on membership: its news may not have reached the user's list yet.
                case .success(let reply) where reply.status == 403 || reply.status == 404: break
                case .success: failure = .internalError
                case .failure(let error): failure = error
                }
                if failure == nil { add() }
            }
        }
        if let failure { throw failure }
        var body = ByteBuffer(string: "[")
        for (position, at) in summaries.keys.sorted().enumerated() {
            if position > 0 { body.writeString(",") }
            if let summary = summaries[at] { body.writeImmutableBuffer(summary) }
        }
        body.writeString("]")
        return EdgeResponse(status: .ok, body: body)
    }

    // MARK: Log-in

    private struct LoginBody: Decodable {
        var login: String
        var password: String
    }

    private struct Owner: Decodable {
        var userId: UserID
    }

    private func logIn(_ call: RestRequest, _ target: CallTarget) async throws(EdgeError) -> EdgeResponse {
        let body: LoginBody = try JSON.decode(call.body)
        let isEmail = body.login.contains("@")
        let name: DirectoryName = isEmail ? .email(body.login) : .username(body.login)
        let lookup = RestRequest(
            operation: "lookup_name", parameters: ["kind": isEmail ? "email" : "username", "name": body.login])
        let found = try await reply(name.slot, lookup, CallTarget(deadline: target.deadline))
        guard found.status == 200 else { throw .internalError }
        let owner: Owner = try JSON.decode(found.body)
        var call = call
        call.parameters["user_id"] = owner.userId.description
        return try await ask(owner.userId.slot, call, target)
    }

    // MARK: Registration

    private struct Invitation: Decodable { var invite: String? }
    private struct Registered: Decodable { var token: String }

    /// Joins the guild whose invite came with a registration. The account exists whether or not that succeeds.
    func acceptInvite(of body: ByteBuffer, _ answer: ByteBuffer, _ target: CallTarget) async {
        guard let invitation: Invitation = try? JSON.decode(body), let text = invitation.invite,
            let code = InviteCode(text), let registered: Registered = try? JSON.decode(answer)
        else { return }
        do throws(EdgeError) {
            let actor = try await authenticate(registered.token[...], deadline: target.deadline)
            let call = RestRequest(operation: "accept_invite", parameters: ["code": text], actor: actor)
            // Another change than the registration: it is known by another id.
            var random = generator
            let id = target.requestID.map {
                RequestID(mintedMilliseconds: $0.mintedMilliseconds, random: random.next())
            }
            _ = try await reply(code.slot, call, CallTarget(deadline: target.deadline, requestID: id))
        } catch {
            service.logger.notice("an invite was not accepted at registration", metadata: ["error": "\(error)"])
        }
    }

    // MARK: Adding a bot

    private struct Authorization: Decodable {
        var guildId: GuildID
    }

    func authorizeBot(_ call: RestRequest, _ target: CallTarget) async throws(EdgeError) -> EdgeResponse {
        guard let clientID = call.query.first(where: { $0.name == "client_id" })?.value else {
            throw .invalidForm("client_id", code: "BASE_TYPE_REQUIRED", "This field is required")
        }
        guard let bot = UserID(clientID) else { throw .notSnowflake("client_id", clientID) }
        let scopes = call.query.first { $0.name == "scope" }?.value.split(separator: " ") ?? []
        guard scopes.contains("bot") else {
            throw .invalidForm("scope", code: "BASE_TYPE_CHOICES", "Only the scope bot can be authorized")
        }
        let body: Authorization = try JSON.decode(call.body)
        guard let profile = try await profile(of: bot, target), profile.isBot else { throw .unknownApplication }
        var call = call
        call.parameters["guild_id"] = body.guildId.description
        call.subject = profile
        return try await ask(body.guildId.slot, call, target)
    }

    /// A user's profile from their slot; `nil` when there is no such user.
    func profile(of user: UserID, _ target: CallTarget) async throws(EdgeError) -> UserProfile? {
        let request = AuthenticateRequest(userID: user, tokenID: 0).encoded()
        let body: ByteBuffer
        do throws(SlotCallFailure) {
            body = try await service.slots.call(
                user.slot, kind: .profile, body: request, requestID: nil, deadline: target.deadline)
        } catch {
            throw edgeError(error, "profile")
        }
        guard body.readableBytes > 0 else { return nil }
        guard let profile = try? UserProfile(decoding: body) else { throw .internalError }
        return profile
    }
}
