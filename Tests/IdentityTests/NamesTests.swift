import Identity
import Testing

@Suite struct NamesTests {
    @Test func namesThatDifferInCaseAloneAreOne() {
        #expect(DirectoryName.username("Älice") == .username("älice"))
        #expect(DirectoryName.username("Alice").slot == DirectoryName.username("aLICE").slot)
        #expect(DirectoryName.email("A@Example.org") == .email("a@example.org"))
    }

    @Test func aUsernameAndAnEmailOfOneTextAreTwo() {
        #expect(DirectoryName.username("alice") != .email("alice"))
        #expect(DirectoryName.username("alice").slot != DirectoryName.email("alice").slot)
    }

    /// Golden: a change would lose every name of every cluster. Computed by an independent program.
    @Test(
        arguments: [
            (DirectoryName.username("alice"), 351),
            (DirectoryName.username("äöü"), 842),
            (DirectoryName.email("alice@example.org"), 413),
        ] as [(DirectoryName, UInt16)])
    func theSlotOfANameStaysTheSame(name: DirectoryName, slot: UInt16) {
        #expect(name.slot.rawValue == slot)
    }

    @Test func namesSpreadOverAllSlots() {
        var counts = Array(repeating: 0, count: 1024)
        for number in 0..<20_480 { counts[Int(DirectoryName.username("user\(number)").slot.rawValue)] += 1 }
        // 20 a slot on average, deviation 4.5.
        #expect(counts.allSatisfy { (1...48).contains($0) })
    }

    @Test(arguments: ["a", "guild-1", "eu.west_2", String(repeating: "z", count: 63)])
    func nodeNamesOfTheAlphabetAreTaken(name: String) { #expect(NodeID(rawValue: name)?.rawValue == name) }

    @Test(arguments: ["", "A", "a b", "a/b", "é", "a\n", String(repeating: "z", count: 64)])
    func otherNodeNamesAreNot(name: String) { #expect(NodeID(rawValue: name) == nil) }

    @Test func randomNamesAreParsedAndDiffer() {
        var generator = SystemRandomNumberGenerator()
        let first = ClusterID.random(using: &generator)
        #expect(first.rawValue.count == 32)
        #expect(ClusterID(rawValue: first.rawValue) == first)
        #expect(ClusterID.random(using: &generator) != first)
        for text in ["", String(repeating: "0", count: 31), String(repeating: "G", count: 32)] {
            #expect(StoreID(rawValue: text) == nil)
        }
    }

    @Test func requestIdsAreOrderedByTheirTime() {
        #expect(
            RequestID(mintedMilliseconds: 1, random: 9) < RequestID(mintedMilliseconds: 2, random: 0))
        #expect(RequestID(mintedMilliseconds: 255, random: 16).description == "ff-10")
    }

    @Test func eventsAreNumberedByEntryThenOrdinal() {
        let first = EventNumber(index: LogIndex(rawValue: 1), ordinal: 5)
        let second = EventNumber(index: LogIndex(rawValue: 2), ordinal: 0)
        #expect(first < second)
        #expect(EventNumber.zero < first)
        #expect(LogIndex.zero.next == LogIndex(rawValue: 1))
    }
}
