import Identity
import NIOCore
import Slots
import Synchronization
import Testing
import Transport
import Wire

/// A gateway's end of an event stream, in memory.
final class TestStream: TransportStream {
    private struct State {
        var items: [EventStreamItem] = []
        var closed: String?
        var capacity = Int.max
    }

    let peer = NodeID(rawValue: "gateway-1")!
    private let state = Mutex(State())

    init(capacity: Int = .max) { state.withLock { $0.capacity = capacity } }

    var items: [EventStreamItem] { state.withLock { $0.items } }
    var closed: String? { state.withLock { $0.closed } }

    func send(_ item: ByteBuffer) -> Bool {
        guard let item = try? EventStreamItem(decoding: item) else { preconditionFailure("an item is not decodable") }
        return state.withLock { state in
            guard state.closed == nil, state.items.count < state.capacity else { return false }
            state.items.append(item)
            return true
        }
    }

    func consumed(_ items: Int) {}
    func close(_ reason: String) { state.withLock { $0.closed = $0.closed ?? reason } }

    /// Looks until there are so many items.
    func wait(_ count: Int) async throws -> [EventStreamItem] {
        let deadline = NIODeadline.now() + .minutes(5)
        while items.count < count, NIODeadline.now() < deadline { try await Task.sleep(for: .milliseconds(2)) }
        return items
    }

    var events: [(type: String, number: EventNumber?, previous: EventNumber?)] {
        items.compactMap {
            if case .event(let event, let number, let previous) = $0 { (event.type, number, previous) } else { nil }
        }
    }
}

@Suite(.timeLimit(.minutes(10))) struct EventStreamTests {
    static let root = TestService.root

    func open(_ node: TestNode, _ stream: TestStream) throws -> any StreamReceiver {
        try node.node.eventStreams.accept(stream, body: ByteBuffer())
    }

    func subscribe(_ after: EventNumber? = nil, intents: UInt64 = 0) -> ByteBuffer {
        EventStreamRequest.subscribe(root: Self.root, after: after, intents: intents, tag: 1).encoded()
    }

    @Test func aSubscriberGetsEachEventOnceWithTheNumberBeforeIt() async throws {
        let folder = try TemporaryFolder()
        let node = try await TestNode(folder.path)
        _ = try await node.text("increment", ["name": "a", "event": "BEFORE"])
        let stream = TestStream()
        let receiver = try open(node, stream)
        receiver.received(subscribe(), on: stream)
        guard case .subscribed(_, let position, 1)? = try await stream.wait(1).first else {
            Issue.record("not subscribed: \(stream.items)")
            return
        }
        for number in 0..<20 { _ = try await node.text("increment", ["name": "a", "event": "E\(number)"]) }
        _ = try await stream.wait(21)
        #expect(stream.events.map(\.type) == (0..<20).map { "E\($0)" })
        let numbers = stream.events.map(\.number)
        #expect(stream.events.map(\.previous) == [position] + numbers.dropLast())
        await node.close()
    }

    @Test func missedEventsAreSentAgainAlsoAfterARestart() async throws {
        let folder = try TemporaryFolder()
        var node = try await TestNode(folder.path)
        for number in 0..<10 { _ = try await node.text("increment", ["name": "a", "event": "E\(number)"]) }
        let first = TestStream()
        try open(node, first).received(subscribe(.zero), on: first)
        // Nothing before the slot's first entry can be missing.
        _ = try await first.wait(11)
        #expect(first.events.map(\.type) == (0..<10).map { "E\($0)" })
        let fourth = try #require(first.events[3].number)
        await node.close()
        node = try await TestNode(folder.path, start: 2)
        let second = TestStream()
        try open(node, second).received(subscribe(fourth), on: second)
        _ = try await second.wait(7)
        #expect(second.events.map(\.type) == (4..<10).map { "E\($0)" })
        #expect(second.events.first?.previous == fourth)
        #expect(second.events.map(\.number) == first.events.dropFirst(4).map(\.number))
        await node.close()
    }

    /// The ring of an entity may run empty while it is rebuilt, and begin again behind what it had to drop.
    @Test func whatTheRingHadToDropIsAGapAlsoAfterARestart() async throws {
        let folder = try TemporaryFolder()
        var limits = SlotLimits()
        limits.ringBytesOfRoot = 512
        var node = try await TestNode(folder.path, limits: limits)
        let live = TestStream()
        try open(node, live).received(subscribe(), on: live)
        for event in ["FIRST", String(repeating: "LARGE", count: 200), "LAST"] {
            _ = try await node.text("increment", ["name": "a", "event": event])
        }
        _ = try await live.wait(4)
        let first = try #require(live.events.first?.number)
        for start in UInt64(2)...3 {
            let stream = TestStream()
            let receiver = try open(node, stream)
            receiver.received(subscribe(first), on: stream)
            #expect(try await stream.wait(1) == [.gap(root: Self.root, tag: 1)])
            await node.close()
            node = try await TestNode(folder.path, start: start, limits: limits)
        }
        await node.close()
    }

    @Test func whatAllRingsKeepIsBoundedToo() async throws {
        let folder = try TemporaryFolder()
        var limits = SlotLimits()
        limits.ringBytesOfExecutor = 1024
        limits.logTrimming = .milliseconds(20)
        let node = try await TestNode(folder.path, limits: limits)
        let live = TestStream()
        try open(node, live).received(subscribe(), on: live)
        for number in 0..<40 { _ = try await node.text("increment", ["name": "a", "event": "E\(number)"]) }
        _ = try await live.wait(41)
        let numbers = try live.events.map { try #require($0.number) }
        // The clock decides when the oldest ones are forgotten.
        let deadline = ContinuousClock.now + .seconds(60)
        var asked = 0
        while ContinuousClock.now < deadline {
            let stream = TestStream()
            let receiver = try open(node, stream)
            receiver.received(subscribe(numbers[0]), on: stream)
            asked += 1
            if try await stream.wait(1) == [.gap(root: Self.root, tag: 1)] { break }
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(ContinuousClock.now < deadline, "asked \(asked) times")
        let late = TestStream()
        try open(node, late).received(subscribe(numbers[38]), on: late)
        #expect(try await late.wait(2).contains(.gap(root: Self.root, tag: 1)) == false)
        #expect(late.events.map(\.number) == [numbers[39]])
        await node.close()
    }

    @Test func fetchGivesTheRangeAndAGapIsSaid() async throws {
        let folder = try TemporaryFolder()
        var limits = SlotLimits()
        limits.ringEventsOfRoot = 5
        let node = try await TestNode(folder.path, limits: limits)
        let stream = TestStream()
        let receiver = try open(node, stream)
        receiver.received(subscribe(), on: stream)
        _ = try await stream.wait(1)
        for number in 0..<10 { _ = try await node.text("increment", ["name": "a", "event": "E\(number)"]) }
        _ = try await stream.wait(11)
        let numbers = try stream.events.map { try #require($0.number) }
        func fetch(_ after: EventNumber, _ through: EventNumber, tag: UInt64) {
            let request = EventStreamRequest.fetch(root: Self.root, after: after, through: through, tag: tag)
            receiver.received(request.encoded(), on: stream)
        }
        fetch(numbers[5], numbers[8], tag: 2)
        fetch(numbers[2], numbers[8], tag: 3)
        let answers = try await stream.wait(13).suffix(2)
        guard case .fetched(_, let events, 2)? = answers.first else {
            Issue.record("\(answers)")
            return
        }
        #expect(events.map(\.event.type) == ["E6", "E7", "E8"])
        #expect(answers.last == .gap(root: Self.root, tag: 3))
        // Asking for more than there is finds a gap too, since it cannot be filled.
        receiver.received(subscribe(EventNumber(index: LogIndex(rawValue: 9999), ordinal: 0)), on: stream)
        #expect(try await stream.wait(14).last == .gap(root: Self.root, tag: 1))
        await node.close()
    }

    @Test func aSnapshotStandsAfterTheEventsThatItContainsAndBeforeAllOthers() async throws {
        let folder = try TemporaryFolder()
        let node = try await TestNode(folder.path)
        let stream = TestStream()
        let receiver = try open(node, stream)
        receiver.received(subscribe(), on: stream)
        let writer = Task {
            for number in 0..<300 { _ = await node.perform("increment", ["name": "a", "event": "E\(number)"]) }
        }
        for tag in UInt64(10)..<40 {
            receiver.received(
                EventStreamRequest.snapshot(root: Self.root, user: UserID(rawValue: 1), tag: tag).encoded(), on: stream)
            try await Task.sleep(for: .milliseconds(1))
        }
        await writer.value
        receiver.received(
            EventStreamRequest.snapshot(root: Self.root, user: UserID(rawValue: 2), tag: 99).encoded(), on: stream)
        let items = try await stream.wait(1 + 300 + 30 + 1)
        var count = 0
        var snapshots = 0
        for item in items {
            switch item {
            case .event: count += 1
            case .snapshot(_, let number, let body, _):
                snapshots += 1
                #expect(String(buffer: body) == "\(count)")
                #expect(number == (stream.events.prefix(count).last?.number ?? .zero))
            default: break
            }
        }
        #expect(snapshots == 30)
        #expect(count == 300)
        #expect(items.contains(.unknown(root: Self.root, tag: 99)))
        await node.close()
    }

    /// One batch may apply entries on both sides of a snapshot; its number is that of its own place.
    @Test func aSnapshotsNumberIsThatOfItsPlaceAlsoWhenTheRingHoldsNothing() async throws {
        let folder = try TemporaryFolder()
        var limits = SlotLimits()
        limits.ringEventsOfRoot = 0
        let node = try await TestNode(folder.path, limits: limits)
        let stream = TestStream()
        let receiver = try open(node, stream)
        receiver.received(subscribe(), on: stream)
        await withTaskGroup { group in
            for writer in UInt64(0)..<8 {
                group.addTask {
                    for number in UInt64(0)..<40 {
                        _ = await node.perform("increment", ["name": "a", "event": "E\(writer).\(number)"])
                        let request = EventStreamRequest.snapshot(
                            root: Self.root, user: UserID(rawValue: 1), tag: 2 + writer * 40 + number)
                        receiver.received(request.encoded(), on: stream)
                    }
                }
            }
        }
        let items = try await stream.wait(1 + 320 + 320)
        var last = EventNumber.zero
        var snapshots = 0
        for item in items {
            switch item {
            case .event(_, let number?, _): last = number
            case .snapshot(_, let number, _, _):
                snapshots += 1
                #expect(number == last)
            default: break
            }
        }
        #expect(snapshots == 320)
        await node.close()
    }

    @Test func ephemeralEventsHaveNoNumber() async throws {
        let folder = try TemporaryFolder()
        let node = try await TestNode(folder.path)
        let stream = TestStream()
        try open(node, stream).received(subscribe(), on: stream)
        _ = try await stream.wait(1)
        _ = try await node.text("type")
        _ = try await stream.wait(2)
        #expect(stream.events.map(\.type) == ["TYPING_START"])
        #expect(stream.events.first?.number == nil)
        await node.close()
    }

    @Test func aGatewayThatDoesNotKeepUpIsShedAndOthersGoOn() async throws {
        let folder = try TemporaryFolder()
        let node = try await TestNode(folder.path)
        let slow = TestStream(capacity: 5)
        let fast = TestStream()
        try open(node, slow).received(subscribe(), on: slow)
        try open(node, fast).received(subscribe(), on: fast)
        _ = try await fast.wait(1)
        for number in 0..<20 { _ = try await node.text("increment", ["name": "a", "event": "E\(number)"]) }
        _ = try await fast.wait(21)
        #expect(fast.events.count == 20)
        #expect(slow.closed != nil)
        #expect(slow.events.count == 4)
        await node.close()
    }

    @Test func aSlotThatIsGivenUpIsSaidToHaveMoved() async throws {
        let folder = try TemporaryFolder()
        let node = try await TestNode(folder.path)
        let stream = TestStream()
        let receiver = try open(node, stream)
        receiver.received(subscribe(), on: stream)
        _ = try await stream.wait(1)
        node.giveUp(TestNode.slot, epoch: 6)
        #expect(try await stream.wait(2).last == .moved(root: Self.root, epoch: Epoch(rawValue: 6), tag: 0))
        receiver.received(subscribe(), on: stream)
        guard case .moved? = try await stream.wait(3).last else {
            Issue.record("\(stream.items)")
            return
        }
        await node.close()
    }
}
