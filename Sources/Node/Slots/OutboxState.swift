import Identity
import Replication

/// How far a slot's effects on other slots have come.
typealias OutboxState = OutboxNumbers

extension OutboxNumbers {
    init(_ rows: RuntimeRows) {
        self.init()
        for (destination, last) in rows.outboxLast {
            let pending = rows.outbox[destination]
            recover(destination, last: last, acknowledged: (pending?.first).map { $0 - 1 } ?? last)
        }
        for (destination, numbers) in rows.outbox where rows.outboxLast[destination] == nil {
            recover(destination, last: numbers.last, acknowledged: numbers.first - 1)
        }
    }
}
