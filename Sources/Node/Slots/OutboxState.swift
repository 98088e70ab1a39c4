import Identity
import Replication

/// How far a slot's effects on other slots have come.
typealias OutboxState = OutboxNumbers

extension OutboxNumbers {
    init(_ recovered: RecoveredSlot) {
        self.init()
        for (destination, last) in recovered.outboxLast {
            recover(
                destination, last: last, acknowledged: (recovered.outbox[destination]?.first).map { $0 - 1 } ?? last)
        }
        for (destination, numbers) in recovered.outbox where recovered.outboxLast[destination] == nil {
            recover(destination, last: numbers.last, acknowledged: numbers.first - 1)
        }
    }
}
