import Identity
import NIOCore
import Testing

@testable import Replication
@testable import Slots

@Suite struct CatchUpTests {
    private static let (one, two) = (Slot(truncating: 1), Slot(truncating: 2))

    private static func order(_ previous: UInt64, _ through: UInt64) -> AppendOrder {
        AppendOrder(
            to: NodeID(rawValue: "guild-2")!, epoch: Epoch(rawValue: 4),
            previous: LogPosition(epoch: Epoch(rawValue: 3), index: LogIndex(rawValue: previous)),
            through: LogIndex(rawValue: through), commitIndex: .zero)
    }

    private static func queue(_ catchUp: CatchUp) -> [[UInt64]] {
        catchUp.orders.map { [UInt64($0.slot.rawValue), $0.order.previous.index.rawValue, $0.order.through.rawValue] }
    }

    @Test func whatIsOrderedAgainIsSentOnce() {
        var catchUp = CatchUp()
        for _ in 0..<5 {
            for begin in stride(from: 100 as UInt64, to: 400, by: 100) {
                catchUp.add(Self.order(begin, begin + 100), of: Self.one)
            }
            catchUp.add(Self.order(7, 9), of: Self.two)
        }
        #expect(Self.queue(catchUp) == [[1, 100, 200], [1, 200, 300], [1, 300, 400], [2, 7, 9]])
        // The follower has acknowledged some: the rest is asked for from there.
        catchUp.add(Self.order(250, 350), of: Self.one)
        #expect(Self.queue(catchUp) == [[1, 100, 200], [1, 200, 300], [2, 7, 9], [1, 250, 350]])
    }

    @Test func slotsTakeTurnsAndKeepTheOrderOfTheirLogs() {
        var catchUp = CatchUp()
        catchUp.add(Self.order(0, 100), of: Self.one)
        catchUp.add(Self.order(100, 200), of: Self.one)
        catchUp.add(Self.order(7, 9), of: Self.two)
        let (slot, order) = catchUp.orders.removeFirst()
        var rest = order
        rest.previous.index = LogIndex(rawValue: 40)
        catchUp.putOff(rest, of: slot)
        #expect(Self.queue(catchUp) == [[2, 7, 9], [1, 40, 100], [1, 100, 200]])
        catchUp.putOff(Self.order(60, 100), of: slot)
        #expect(Self.queue(catchUp) == [[2, 7, 9], [1, 40, 100], [1, 100, 200]])
    }

    @Test func aLearnersBytesTakeTheirTime() {
        var catchUp = CatchUp()
        let now = NIODeadline.uptimeNanoseconds(1 << 62)
        #expect(catchUp.pause(now: now) == nil)
        catchUp.pace(1 << 20, aSecond: 16 << 20, now: now)
        catchUp.pace(1 << 20, aSecond: 16 << 20, now: now)
        #expect(catchUp.pause(now: now) == .milliseconds(125))
        #expect(catchUp.pause(now: now + .milliseconds(125)) == nil)
    }
}
