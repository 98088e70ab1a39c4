import Identity
import NIOCore
import Testing

@testable import Slots

@Suite(.timeLimit(.minutes(5))) struct StoredSizesTests {
    static let slot = Slot(truncating: 7)

    struct NoDisk: Error {}

    @Test func theFirstCallWaitsAndLaterOnesTakeWhatIsKnown() async throws {
        let sizes = StoredSizes()
        let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
        #expect(await sizes.sizes(now: start) { [Self.slot: 1] } == [Self.slot: 1])
        // Not due: nothing is measured.
        #expect(await sizes.sizes(now: start + .seconds(19)) { [Self.slot: 2] } == [Self.slot: 1])
        let (gate, opener) = AsyncStream.makeStream(of: Void.self)
        let later = start + .seconds(20)
        let known = await sizes.sizes(now: later) {
            for await _ in gate { break }
            return [Self.slot: 3]
        }
        #expect(known == [Self.slot: 1], "a call does not wait for a measurement in the background")
        #expect(await sizes.sizes(now: later + .seconds(1)) { [Self.slot: 4] } == [Self.slot: 1])
        opener.yield()
        while await sizes.sizes(now: later + .seconds(2), measure: { [:] }) != [Self.slot: 3] { await Task.yield() }
    }

    @Test func whatFailsLeavesWhatIsKnown() async {
        let sizes = StoredSizes()
        let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
        #expect(await sizes.sizes(now: start) { throw NoDisk() } == [:])
        #expect(await sizes.sizes(now: start + .seconds(20)) { [Self.slot: 1] } == [Self.slot: 1])
    }
}
