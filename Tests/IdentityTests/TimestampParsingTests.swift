import Identity
import Testing

@Suite struct TimestampParsingTests {
    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-11-24T07:06:32.123000+00:00", 1_795_503_992_123),
        ("2026-11-24T08:06:32.123456+01:00", 1_795_503_992_123),
        ("2026-11-24 02:36:32.1-0430", 1_795_503_992_100),
        ("2026-11-24T07:06", 1_795_503_960_000),
        ("2024-02-29T00:00:00", 1_709_164_800_000),
        ("1969-12-31T23:59:59.999Z", -1),
    ])
    func `what clients write is read`(text: String, milliseconds: Int64) {
        #expect(Timestamp(iso8601: text)?.milliseconds == milliseconds)
    }

    @Test func `what is written is read back`() {
        for milliseconds in stride(from: Int64(-5_000_000_000_000), to: 5_000_000_000_000, by: 86_399_876_543) {
            let timestamp = Timestamp(milliseconds: milliseconds)
            #expect(Timestamp(iso8601: timestamp.description) == timestamp)
        }
    }

    @Test(arguments: [
        "", "now", "2026-11-24", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-11-24T24:00:00Z",
        "2026-11-24T07:06:32.Z", "2026-11-24T07:06:32+01:00x", "2026-11-24T07:06:32 +01:00",
    ])
    func `what is no date and time is refused`(text: String) {
        #expect(Timestamp(iso8601: text) == nil)
    }
}
