import Domain
import Identity
import NIOCore
import Replication
import Wire

/// One REST call on its way through a slot.
struct Command {
    var request: RestRequest
    var requestID: RequestID?
    var deadline: NIODeadline
    let began = NIODeadline.now()
    /// Whether an entry of this command is on its way that holds its id with the answer still open.
    var isPending = false
    /// Called once.
    let complete: (SlotReply) -> Void
}

/// A command whose answer depends on another slot: it is tried again after each commit.
struct WaitingCommand {
    var number: UInt64
    var command: Command
    var retry: @Sendable (any SlotTransaction) throws -> Outcome
    var alarm: Scheduled<Void>

    func finish(_ reply: SlotReply) {
        alarm.cancel()
        command.complete(reply)
    }
}

/// From a REST request to its answer.
extension SlotRuntime {
    func rest(_ body: ByteBuffer, requestID: RequestID?, deadline: NIODeadline, complete: @escaping (SlotReply) -> Void)
    {
        let request: RestRequest
        do {
            request = try RestRequest(decoding: body)
        } catch {
            return complete(.refused("the request cannot be decoded: \(error)"))
        }
        guard let handler = environment.services.operations[request.operation] else {
            return complete(.refused("no service knows the operation \(request.operation.prefix(64))"))
        }
        var command = Command(request: request, requestID: requestID, deadline: deadline, complete: complete)
        if let requestID {
            guard let only = first(requestID, of: command) else { return }
            command = only
        }
        let resolved = command.request
        run(command) { try handler(resolved, $0) }
    }

    /// Runs a body as the command, or the next part of it.
    func run(_ command: Command, _ body: (CommandTransaction) throws -> Outcome) {
        guard isServing else { return command.complete(.unavailable("the slot does not serve now")) }
        let transaction = makeTransaction()
        do {
            try settle(try body(transaction), transaction, command)
        } catch let error as APIError {
            if transaction.hasChanges { caches.removeAll() }
            // The refusal may rest on what is not committed yet.
            answer(command, error.reply)
        } catch {
            caches.removeAll()
            fault(command, error)
        }
    }

    private func settle(_ outcome: Outcome, _ transaction: CommandTransaction, _ command: Command) throws {
        switch outcome {
        case .reply(let reply):
            let remembered: Entry.RememberedReply =
                reply.body.readableBytes <= environment.limits.inlineReply
                ? .inline(status: reply.status, body: reply.body) : .pending()
            try conclude(command, transaction, reply, remembered)
        case .replyOnce(let reply, let again):
            try conclude(
                command, transaction, reply,
                .reference(status: again.status, operation: again.operation, parameters: again.parameters))
        case .read(let read):
            guard !transaction.hasChanges else { throw ServiceFault.wroteBefore("read") }
            readSnapshot(read, for: command)
        case .offload(let compute, let then):
            guard !transaction.hasChanges else { throw ServiceFault.wroteBefore("offload") }
            offload(compute, then: then, for: command)
        case .wait(let retry, let resuming):
            try wait(retry, resuming, transaction, command)
        }
    }

    private func conclude(
        _ command: Command, _ transaction: CommandTransaction, _ reply: RestReply,
        _ remembered: Entry.RememberedReply
    ) throws {
        // What changed nothing need not be remembered: a retry finds the same.
        if transaction.hasChanges || command.isPending { try proposeOrRefuse(transaction, command, remembered) }
        emitEphemeral(transaction)
        answer(command, reply, after: awaitedEffects(of: transaction, for: command.request))
    }

    private func proposeOrRefuse(
        _ transaction: CommandTransaction, _ command: Command, _ remembered: Entry.RememberedReply
    ) throws {
        do {
            guard let id = command.requestID else { throw ServiceFault.changeWithoutRequestID }
            // What has begun comes to its end.
            if !command.isPending, let failure = environment.diskFailure { throw failure }
            try propose(transaction, request: Entry.Request(id: id, reply: remembered))
        } catch {
            caches.removeAll()
            throw error
        }
    }

    private func emitEphemeral(_ transaction: CommandTransaction) {
        guard !transaction.ephemeralEvents.isEmpty else { return }
        let events = transaction.ephemeralEvents
        whenApplied(through: lastIndex) { [executor] failure in
            guard failure == nil else { return }
            for event in events {
                let kept = EventRing.Kept(number: .zero, event: event, encoded: event.encoded())
                executor.hub.emit(kept, root: event.root, isDurable: false)
            }
        }
    }

    /// Lets the reply out once all that the command can have read is applied, and then the effects that it names are.
    private func answer(
        _ command: Command, _ reply: RestReply, from index: LogIndex? = nil, after effects: [Slot: UInt64] = [:]
    ) {
        whenApplied(through: index ?? lastIndex) { [self] failure in
            if let failure { return command.complete(failure) }
            environment.metrics.commitLatency.recordNanoseconds((NIODeadline.now() - command.began).nanoseconds)
            hold(effects, until: command.deadline) { command.complete(.done(reply.encoded())) }
        }
    }

    private func fault(_ command: Command, _ error: any Error) {
        if let refusal = error as? PrimarySlot.Refusal {
            return command.complete(.unavailable("the slot takes no writes now: \(refusal)"))
        }
        if let full = error as? DiskNearlyFull {
            environment.metrics.refused.increment()
            return command.complete(.unavailable("\(full)"))
        }
        environment.metrics.faults.increment()
        if case ServiceFault.changeWithoutRequestID = error {
            logger.error("a change without a request id", metadata: ["operation": "\(command.request.operation)"])
            return command.complete(.refused("\(command.request.operation) changes state and has no request id"))
        }
        logger.error(
            "a command failed", metadata: ["operation": "\(command.request.operation)", "error": "\(error)"])
        answer(command, APIError(status: 500, code: 0, message: "500: Internal Server Error").reply)
    }

    // MARK: Off the executor

    private func readSnapshot(
        _ read: @escaping @Sendable (any CommittedReader) throws -> RestReply, for command: Command
    ) {
        let snapshot = environment.store.state.snapshot(slot)
        // What the handler saw above the snapshot (rights, the channel's being there) must be committed too.
        let index = lastIndex
        let bound = NIOLoopBound((runtime: self, command: command), eventLoop: executor.loop)
        let reading: @Sendable () throws -> RestReply = { try read(snapshot) }
        let isTaken = environment.readers.submit(on: executor.loop, reading) { result in
            let (runtime, command) = bound.value
            switch result {
            case .success(let reply): runtime.answer(command, reply, from: index)
            case .failure(let error as APIError): runtime.answer(command, error.reply, from: index)
            case .failure(let error): runtime.fault(command, error)
            }
        }
        if !isTaken { command.complete(.unavailable("too many reads wait")) }
    }

    private func offload(
        _ compute: @escaping @Sendable () throws -> ByteBuffer,
        then: @escaping @Sendable (ByteBuffer, any SlotTransaction) throws -> Outcome, for command: Command
    ) {
        let bound = NIOLoopBound((runtime: self, command: command), eventLoop: executor.loop)
        let isTaken = environment.computers.submit(on: executor.loop, compute) { result in
            let (runtime, command) = bound.value
            switch result {
            case .success(let value): runtime.run(command) { try then(value, $0) }
            case .failure(let error): runtime.run(command) { _ in throw error }
            }
        }
        if !isTaken { command.complete(.unavailable("too many computations wait")) }
    }

    // MARK: Waiting for another slot

    private func wait(
        _ retry: @escaping @Sendable (any SlotTransaction) throws -> Outcome, _ resuming: [String: String]?,
        _ transaction: CommandTransaction, _ command: Command
    ) throws {
        var command = command
        guard waiting.count < environment.limits.waitingCommands else {
            if transaction.hasChanges { caches.removeAll() }
            return command.complete(.unavailable("too many commands wait for other slots"))
        }
        if transaction.hasChanges {
            try proposeOrRefuse(transaction, command, .pending(resuming: resuming))
            command.isPending = true
        }
        let number = nextWaiting
        nextWaiting += 1
        let bound = NIOLoopBound(self, eventLoop: executor.loop)
        let alarm = executor.loop.scheduleTask(deadline: command.deadline) { bound.value.expire(number) }
        waiting.append(WaitingCommand(number: number, command: command, retry: retry, alarm: alarm))
    }

    private func expire(_ number: UInt64) {
        guard let position = waiting.firstIndex(where: { $0.number == number }) else { return }
        waiting.remove(at: position).finish(.interrupted("another slot did not answer in time"))
    }

    func retryWaiting() {
        let commands = waiting
        guard !commands.isEmpty, isServing else { return }
        waiting = []
        for command in commands {
            command.alarm.cancel()
            run(command.command, command.retry)
        }
    }
}
