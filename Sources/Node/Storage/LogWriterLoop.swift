import Identity

/// What the log writer's thread does until it is stopped.
struct LogWriterLoop: Sendable {
    let log: LogStore
    let queue: LogQueue
    let batchLimit: Int
    let report: @Sendable (LogWriter.BatchReport) -> Void
    let fail: @Sendable (StorageFailure) -> Never

    func run() {
        while true {
            let (items, isStopped) = queue.takeAll()
            var start = 0
            while start < items.count { start = writeBatch(items, from: start) }
            if isStopped { return }
        }
    }

    /// Writes items from `start` on, as many as one batch holds, and tells their observers.
    ///
    /// - Returns: the first item that is not written.
    private func writeBatch(_ items: [LogQueue.Item], from start: Int) -> Int {
        let batch = log.makeBatch()
        var bytes = 0
        var written = LogWriter.BatchReport(entries: 0, bytes: 0, duration: .zero)
        var end = start
        var news: [ObjectIdentifier: (observer: any DurabilityObserver, slots: [Slot: Durability])] = [:]
        while end < items.count, bytes < batchLimit {
            let item = items[end]
            bytes += item.size
            end += 1
            batch.add(item.change)
            if case .append(let append) = item.change {
                written.entries += 1
                written.bytes += append.entry.readableBytes
            }
            guard let observer = item.observer, let (slot, durability) = item.change.durability else { continue }
            news[ObjectIdentifier(observer), default: (observer, [:])].slots[slot, default: Durability()]
                .add(durability)
        }
        let clock = ContinuousClock()
        let began = clock.now
        do {
            try log.write(batch)
        } catch {
            fail(error)
        }
        queue.written(bytes)
        written.duration = clock.now - began
        if written.entries > 0 { report(written) }
        for (observer, slots) in news.values { observer.durable(slots) }
        return end
    }
}
