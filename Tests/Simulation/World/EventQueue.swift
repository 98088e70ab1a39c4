/// What is to happen, by virtual time; what is due at the same time happens in the order in which it was asked for.
struct EventQueue<Event> {
    private struct Key {
        var time: Int64
        var order: UInt64
        var place: Int

        func precedes(_ other: Key) -> Bool { time != other.time ? time < other.time : order < other.order }
    }

    private var heap: [Key] = []
    private var events: [Event?] = []
    private var free: [Int] = []
    private var order: UInt64 = 0

    mutating func push(_ event: Event, at time: Int64) {
        let place: Int
        if let reused = free.popLast() {
            place = reused
            events[place] = event
        } else {
            place = events.count
            events.append(event)
        }
        order += 1
        let key = Key(time: time, order: order, place: place)
        var position = heap.count
        heap.append(key)
        while position > 0 {
            let parent = (position - 1) / 2
            guard key.precedes(heap[parent]) else { break }
            heap[position] = heap[parent]
            position = parent
        }
        heap[position] = key
    }

    mutating func pop() -> (time: Int64, event: Event)? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        if !heap.isEmpty {
            var position = 0
            while true {
                var child = 2 * position + 1
                guard child < heap.count else { break }
                if child + 1 < heap.count, heap[child + 1].precedes(heap[child]) { child += 1 }
                guard heap[child].precedes(last) else { break }
                heap[position] = heap[child]
                position = child
            }
            heap[position] = last
        }
        guard let event = events[first.place] else { return nil }
        events[first.place] = nil
        free.append(first.place)
        return (first.time, event)
    }
}
