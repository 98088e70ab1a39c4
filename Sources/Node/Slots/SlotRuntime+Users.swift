import Domain
import Identity
import NIOCore
import Wire

/// What routers and gateways ask of a user's slot.
extension SlotRuntime {
    func authenticate(_ body: ByteBuffer, complete: @escaping (SlotReply) -> Void) {
        read(body, complete) { request, transaction in
            var answer = try self.environment.services.authenticate(request, transaction)
            if answer.actor?.profile.isBot == true {
                let now = self.environment.clock.now()
                if request.beginsSession { answer.isExhausted = !self.sessionStarts.begin(request.tokenID, now: now) }
                answer.sessionStarts = self.sessionStarts.left(of: request.tokenID, now: now)
            }
            return answer.encoded()
        }
    }

    func profile(_ body: ByteBuffer, complete: @escaping (SlotReply) -> Void) {
        read(body, complete) { request, transaction in
            try self.environment.services.profile(request.userID, transaction)?.encoded() ?? ByteBuffer()
        }
    }

    private func read(
        _ body: ByteBuffer, _ complete: @escaping (SlotReply) -> Void,
        _ answer: (AuthenticateRequest, CommandTransaction) throws -> ByteBuffer
    ) {
        let reply: SlotReply
        do {
            let request = try AuthenticateRequest(decoding: body)
            reply = .done(try answer(request, makeTransaction()))
        } catch let error as FieldError {
            return complete(.refused("the request cannot be decoded: \(error)"))
        } catch {
            environment.metrics.faults.increment()
            logger.error("a user cannot be read", metadata: ["error": "\(error)"])
            return complete(.unavailable("the user cannot be read"))
        }
        whenApplied(through: lastIndex) { complete($0 ?? reply) }
    }
}
