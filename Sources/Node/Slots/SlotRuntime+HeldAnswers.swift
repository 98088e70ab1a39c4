import Identity
import NIOCore
import Wire

/// An answer that is committed, and waits until its effects are applied on the slots that its caller asks next.
struct HeldAnswer {
    var number: UInt64
    /// The number of the last effect to wait for, by destination.
    var effects: [Slot: UInt64]
    var alarm: Scheduled<Void>
    let give: () -> Void
}

/// Users read their own writes: who has joined a guild finds it in their list, which is on another slot, as soon as
/// they are told so. An answer waits for that a short time only, since the effect itself cannot be lost: a user whose
/// slot does not answer keeps nobody from joining.
extension SlotRuntime {
    /// The effects of the command proposed last on the slots of its actor and subject.
    func awaitedEffects(of transaction: CommandTransaction, for request: RestRequest) -> [Slot: UInt64] {
        guard !transaction.effects.isEmpty else { return [:] }
        var awaited: [Slot: UInt64] = [:]
        for user in [request.actor?.userID, request.subject?.id] {
            guard let destination = user?.slot, let lane = outbox.lanes[destination],
                transaction.effects.contains(where: { $0.destination == destination })
            else { continue }
            awaited[destination] = lane.given
        }
        return awaited
    }

    /// Calls `give` once the effects are acknowledged, or after a while.
    func hold(_ effects: [Slot: UInt64], until deadline: NIODeadline, _ give: @escaping () -> Void) {
        let effects = effects.filter { (outbox.lanes[$0.key]?.acknowledged ?? 0) < $0.value }
        let limits = environment.limits
        guard !effects.isEmpty, isServing, heldAnswers.count < limits.waitingCommands else { return give() }
        let number = nextHeldAnswer
        nextHeldAnswer += 1
        let bound = NIOLoopBound(self, eventLoop: executor.loop)
        // Whatever happens, as much time is left for the answer's way back.
        let end = min(.now() + limits.effectPatience, deadline - limits.effectPatience)
        let alarm = executor.loop.scheduleTask(deadline: end) { bound.value.giveUp(number) }
        heldAnswers.append(HeldAnswer(number: number, effects: effects, alarm: alarm, give: give))
    }

    private func giveUp(_ number: UInt64) {
        guard let position = heldAnswers.firstIndex(where: { $0.number == number }) else { return }
        heldAnswers.remove(at: position).give()
    }

    /// The destination has applied the effects through this number.
    func giveAnswers(_ destination: Slot, through acknowledged: UInt64) {
        guard !heldAnswers.isEmpty else { return }
        let answers = heldAnswers
        heldAnswers = []
        for var answer in answers {
            if let effect = answer.effects[destination], effect <= acknowledged { answer.effects[destination] = nil }
            guard answer.effects.isEmpty else {
                heldAnswers.append(answer)
                continue
            }
            answer.alarm.cancel()
            answer.give()
        }
    }

    /// What they say is committed, whoever serves the slot from now on.
    func giveAllAnswers() {
        let answers = heldAnswers
        heldAnswers = []
        for answer in answers {
            answer.alarm.cancel()
            answer.give()
        }
    }
}
