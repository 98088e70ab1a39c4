import Identity
import Testing

@Suite struct SnowflakeTests {
    @Test func discordsOwnExampleIsTakenApart() {
        // Discord API reference, "Snowflake ID Format": 2016-04-30 11:18:25.796 UTC, worker 1, process 0, increment 7.
        let snowflake = Snowflake(rawValue: 175_928_847_299_117_063)
        #expect(snowflake.timestamp.milliseconds == 1_462_015_105_796)
        #expect(snowflake.slot.rawValue == 1 << 5)
        #expect(snowflake.sequence == 7)
        #expect(
            Snowflake(milliseconds: snowflake.milliseconds, slot: snowflake.slot, sequence: snowflake.sequence)
                == snowflake)
    }

    @Test func everySlotIsCarried() {
        for slot in Slot.all {
            #expect(Snowflake(milliseconds: Snowflake.maximumMilliseconds, slot: slot, sequence: 4095).slot == slot)
            #expect(Snowflake(milliseconds: 0, slot: slot, sequence: 0).slot == slot)
        }
    }

    @Test func partsNeverSpillIntoEachOther() {
        let slot = Slot(truncating: 0)
        #expect(Snowflake(milliseconds: 1 << 42, slot: slot, sequence: 4096).rawValue == 0)
        #expect(Slot(rawValue: 1024) == nil)
        #expect(Slot(truncating: 1024 + 5) == Slot(rawValue: 5))
    }

    @Test(arguments: ["0", "1", "175928847299117063", "18446744073709551615", "00000000000000000001"])
    func decimalIdsAreParsed(text: String) { #expect(Snowflake(text)?.rawValue == UInt64(text)) }

    @Test(arguments: [
        "", " 1", "1 ", "+1", "-1", "0x10", "1.0", "1e3", "١٢", "18446744073709551616", "000000000000000000001", "@me",
    ])
    func anythingElseIsNot(text: String) {
        #expect(Snowflake(text) == nil)
        #expect(GuildID(text) == nil)
    }

    @Test func idsOfTimeOrderAreIdsOfNumericOrder() {
        let early = Snowflake(milliseconds: 5, slot: Slot(truncating: 1023), sequence: 4095)
        let late = Snowflake(milliseconds: 6, slot: Slot(truncating: 0), sequence: 0)
        #expect(early < late)
    }
}
