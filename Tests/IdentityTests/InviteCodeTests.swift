import Identity
import Testing

@Suite struct InviteCodeTests {
    @Test func codesCarryTheGuildsSlot() {
        for slot in Slot.all {
            for random in [0, 1, UInt64.max] {
                let code = InviteCode(slot: slot, random: random)
                #expect(code.description.count == InviteCode.length)
                let read = InviteCode(code.description)
                #expect(read == code)
                #expect(read?.slot == slot)
            }
        }
    }

    @Test func onlyFortyNineBitsOfTheRandomNumberAreKept() {
        #expect(InviteCode(slot: Slot(truncating: 1), random: .max).random == 1 << 49 - 1)
    }

    @Test(arguments: ["", "0", "000000000", "00000000000", "000000000-", "00000000é", "zzzzzzzzzz", "0000 00000"])
    func otherTextsAreNotCodes(text: String) { #expect(InviteCode(text) == nil) }

    @Test func theLargestCodeIsTheLast() {
        let last = InviteCode(slot: Slot(truncating: 1023), random: .max)
        // One above it would be slot 1,024.
        #expect(last.description < "zzzzzzzzzz")
        #expect(InviteCode(last.description) == last)
    }
}
