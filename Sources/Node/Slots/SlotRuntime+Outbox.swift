import Domain
import Identity
import NIOCore
import Replication
import Wire

/// Effects on other slots, and those of other slots on this one (DESIGN §6.8); and work that goes in steps.
extension SlotRuntime {
    // MARK: Sending

    func deliverOutbox(to destination: Slot) {
        guard isServing, outbox.underWay < environment.limits.outboxDeliveries,
            let numbers = outbox.begin(destination, batch: environment.limits.outboxBatch)
        else { return }
        var effects: [ByteBuffer] = []
        do {
            try environment.store.state.scan(
                slot, .meta, from: MetaRows.outbox(destination, numbers.lowerBound),
                upTo: MetaRows.outbox(destination, numbers.upperBound + 1)
            ) { _, effect in
                effects.append(effect)
                return true
            }
        } catch {
            logger.error("the outbox cannot be read", metadata: ["error": "\(error)"])
        }
        guard effects.count == numbers.count else {
            logger.critical(
                "effects are missing in the outbox",
                metadata: ["destination": "\(destination)", "numbers": "\(numbers)", "found": "\(effects.count)"])
            return endDelivery(destination, through: nil)
        }
        let delivery = OutboxDelivery(
            source: slot, incarnation: incarnation, first: numbers.lowerBound, effects: effects)
        send(delivery.encoded(), to: destination)
    }

    private func send(_ body: ByteBuffer, to destination: Slot) {
        let bound = NIOLoopBound(self, eventLoop: executor.loop)
        let deadline = NIODeadline.now() + environment.limits.outboxTimeout
        Task { [caller = environment.caller, loop = executor.loop, logger] in
            var through: UInt64?
            do {
                let reply = try await caller.call(
                    destination, kind: .outbox, body: body, requestID: nil, deadline: deadline)
                through = try OutboxAcknowledgement(decoding: reply).through
            } catch {
                logger.info(
                    "effects are not delivered yet", metadata: ["destination": "\(destination)", "error": "\(error)"])
            }
            loop.execute { [through] in bound.value.endDelivery(destination, through: through) }
        }
    }

    private func endDelivery(_ destination: Slot, through: UInt64?) {
        let before = outbox.lanes[destination]?.acknowledged ?? 0
        let hasProgress = outbox.end(destination, through: through)
        guard isServing, let lane = outbox.lanes[destination] else { return }
        if hasProgress {
            environment.metrics.outboxDelivered.increment(by: lane.acknowledged - before)
            giveAnswers(destination, through: lane.acknowledged)
            forgetDelivered(destination, through: lane.acknowledged)
        } else {
            environment.metrics.outboxFailed.increment()
            let limits = environment.limits
            let pause = min(limits.outboxFirstPause * (1 << min(lane.failures - 1, 16)), limits.outboxLongestPause)
            executor.schedule(in: pause) { [weak self] in self?.deliverOutbox(to: destination) }
        }
        // A place is free: the next destination's turn, this one among them.
        for next in outbox.destinations where hasProgress || next != destination { deliverOutbox(to: next) }
    }

    private func forgetDelivered(_ destination: Slot, through: UInt64) {
        let transaction = makeTransaction()
        transaction.deleteRange(
            .meta, from: MetaRows.outbox(destination, 0), upTo: MetaRows.outbox(destination, through + 1))
        do {
            try propose(transaction)
        } catch {
            // Delivered again after a restart, and ignored there.
            logger.info("delivered effects are not forgotten yet", metadata: ["error": "\(error)"])
        }
    }

    // MARK: Receiving

    /// Applies the effects that are new, each as a command of its own, and acknowledges once they are committed.
    func receive(_ body: ByteBuffer, complete: @escaping (SlotReply) -> Void) {
        let delivery: OutboxDelivery
        do {
            delivery = try OutboxDelivery(decoding: body)
        } catch {
            return complete(.refused("the delivery cannot be decoded: \(error)"))
        }
        let key = MetaRows.inbox(delivery.source, delivery.incarnation)
        var last: UInt64 = 0
        do {
            last = try makeTransaction().get(.meta, key).flatMap { MetaRows.number($0) } ?? 0
            for (position, encoded) in delivery.effects.enumerated() {
                let number = delivery.first + UInt64(position)
                if number <= last { continue }
                guard number == last + 1 else { throw ServiceFault.unclaimed("effect \(number) after \(last)") }
                let effect = try Effect(decoding: encoded)
                let transaction = makeTransaction()
                do {
                    try environment.services.apply(effect, in: transaction)
                    transaction.put(.meta, key, MetaRows.value(number))
                    try propose(transaction)
                } catch {
                    caches.removeAll()
                    throw error
                }
                last = number
            }
        } catch {
            logger.error(
                "an effect of another slot is not applied",
                metadata: ["source": "\(delivery.source)", "after": "\(last)", "error": "\(error)"])
            // Those before it count; without any, the source tries again later.
            if last < delivery.first { return complete(.unavailable("effect \(last + 1) is not applied: \(error)")) }
        }
        whenApplied(through: lastIndex) { failure in
            complete(failure ?? .done(OutboxAcknowledgement(through: last).encoded()))
        }
    }

    // MARK: Work

    /// Runs the oldest step of scheduled work as a command of its own; the next one follows once it is committed.
    func performNextWork() {
        guard isServing, !isWorking, !executor.isDraining, let step = work.first else { return }
        isWorking = true
        let transaction = makeTransaction()
        do {
            try environment.services.perform(step.work, in: transaction)
            transaction.delete(.meta, step.key)
            try propose(transaction)
        } catch {
            caches.removeAll()
            logger.error("a step of work failed", metadata: ["work": "\(step.work)", "error": "\(error)"])
            executor.schedule(in: environment.limits.outboxLongestPause) { [weak self] in
                self?.isWorking = false
                self?.performNextWork()
            }
            return
        }
        work.removeFirst()
        whenApplied(through: lastIndex) { [weak self] failure in
            self?.isWorking = false
            // The executor goes on with the next step when it is through with this commit.
            if failure == nil { self?.executor.schedule(in: .zero) { [weak self] in self?.performNextWork() } }
        }
    }
}
