import Domain
import Identity
import NIOCore
import Replication
import Wire

/// Each request once: a retry joins the first, or gets its answer again (DESIGN §6.7).
extension SlotRuntime {
    /// - Returns: the command to run, when it is the first with this id; else the call is dealt with.
    func first(_ id: RequestID, of command: Command) -> Command? {
        let now = environment.clock.now().milliseconds
        switch inFlight.begin(id, command.complete, now: now, limit: environment.limits.joinedRetries) {
        case .first: break
        case .joined: return nil
        case .crowded:
            command.complete(.unavailable("too many retries of one request"))
            return nil
        case .outOfTime:
            let seconds = RequestID.memory.milliseconds / 1000
            command.complete(.clockApart("the request's id was not minted within the last \(seconds) s"))
            return nil
        }
        var request = command.request
        var isPending = false
        do {
            if let row = try makeTransaction().get(.meta, MetaRows.request(id)) {
                let remembered = try Entry.Request(decoding: row).reply
                guard case .pending(let resuming?) = remembered else {
                    _ = inFlight.end(id)
                    answerAgain(remembered, command)
                    return nil
                }
                // The first attempt wrote, and its wait ended without an answer: the retry goes on waiting.
                request.parameters.merge(resuming) { _, kept in kept }
                isPending = true
            }
        } catch {
            _ = inFlight.end(id)
            logger.error("a remembered request cannot be read", metadata: ["error": "\(error)"])
            command.complete(.unavailable("the request's memory cannot be read"))
            return nil
        }
        var only = Command(request: request, requestID: id, deadline: command.deadline) { [self] reply in
            command.complete(reply)
            for complete in inFlight.end(id) { complete(reply) }
        }
        only.isPending = isPending
        return only
    }

    private func answerAgain(_ remembered: Entry.RememberedReply, _ command: Command) {
        switch remembered {
        case .inline(let status, let body):
            whenApplied(through: lastIndex) { failure in
                command.complete(failure ?? .done(RestReply(status: status, body: body).encoded()))
            }
        case .reference(let status, let operation, let parameters):
            guard let handler = environment.services.operations[operation] else {
                return command.complete(.refused("no service knows the operation \(operation.prefix(64))"))
            }
            let request = RestRequest(operation: operation, parameters: parameters, actor: command.request.actor)
            let read = Command(request: request, requestID: nil, deadline: command.deadline) { reply in
                command.complete(SlotRuntime.with(status: status, reply))
            }
            run(read) { try handler(request, $0) }
        case .pending:
            // The first attempt wrote, and ended (with a restart) before its answer was known, or with one too large
            // to remember: no further attempt will find out.
            command.complete(.refused("the outcome of the first attempt is not known"))
        }
    }

    /// The first answer's status, unless what it created is gone since.
    private static func with(status: Int, _ reply: SlotReply) -> SlotReply {
        guard case .done(let body) = reply, var answer = try? RestReply(decoding: body), answer.status < 300 else {
            return reply
        }
        answer.status = status
        return .done(answer.encoded())
    }
}
