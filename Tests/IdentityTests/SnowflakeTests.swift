import Identity
import Testing

@Suite("Snowflakes")
struct SnowflakeTests {
    @Test("holds time, slot and sequence in Discord's layout")
    func layout() {
        let id = Snowflake(milliseconds: 41_944_705_796, slot: Slot(truncating: 32), sequence: 7)
        #expect(id.rawValue == 175_928_847_299_117_063)
        #expect(id.milliseconds == 41_944_705_796 && id.slot.rawValue == 32 && id.sequence == 7)
    }

    @Test("parses what it writes, up to the largest", arguments: [0, 1, 175_928_847_299_117_063, UInt64.max])
    func parsing(_ value: UInt64) {
        #expect(Snowflake("\(value)")?.rawValue == value)
        #expect(Snowflake("x\(value)".dropFirst())?.rawValue == value)
    }

    @Test(
        "refuses what is no id",
        arguments: [
            "", "-1", "+1", " 1", "1 ", "1.0", "0x1", "abc", "18446744073709551616", "99999999999999999999",
            "000000000000000000001", "١",
        ])
    func refusals(_ text: String) {
        #expect(Snowflake(text) == nil)
    }
}
