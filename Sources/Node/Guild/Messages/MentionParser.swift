import Identity

/// What a text mentions, before it is known whom the author may mention (Discord, "Message formatting").
///
/// Code is not looked into: text between single or triple backticks mentions nobody.
struct MentionParser {
    /// Users and roles of each kind that are looked at; the rest of a text's mentions are only text.
    static let maximumMentions = 100

    /// Without repetition, in the order of the text.
    private(set) var users: [UserID] = []
    private(set) var roles: [RoleID] = []
    /// `@everyone` or `@here` stands in the text.
    private(set) var hasEveryone = false

    init(_ content: String) {
        var content = content
        content.withUTF8 { bytes in
            // Most texts mention nobody, and are left after one look.
            guard bytes.contains(UInt8(ascii: "@")) else { return }
            parse(bytes)
        }
    }

    private mutating func parse(_ bytes: UnsafeBufferPointer<UInt8>) {
        var at = 0
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: "`"): at = Self.endOfCode(bytes, at)
            case UInt8(ascii: "<"): at = mention(bytes, at)
            case UInt8(ascii: "@"):
                if Self.matches(bytes, at + 1, "everyone") || Self.matches(bytes, at + 1, "here") {
                    hasEveryone = true
                }
                at += 1
            default: at += 1
            }
        }
    }

    /// Reads `<@1>`, `<@!1>` or `<@&1>`; anything else is one character of text.
    private mutating func mention(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        var at = start + 1
        guard at < bytes.count, bytes[at] == UInt8(ascii: "@") else { return start + 1 }
        at += 1
        var isRole = false
        if at < bytes.count, bytes[at] == UInt8(ascii: "&") || bytes[at] == UInt8(ascii: "!") {
            isRole = bytes[at] == UInt8(ascii: "&")
            at += 1
        }
        var value: UInt64 = 0
        let firstDigit = at
        while at < bytes.count, (48...57).contains(bytes[at]) {
            let (product, overflows) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflowsToo) = product.addingReportingOverflow(UInt64(bytes[at] - 48))
            guard !overflows, !overflowsToo else { return start + 1 }
            value = sum
            at += 1
        }
        guard at > firstDigit, at < bytes.count, bytes[at] == UInt8(ascii: ">") else { return start + 1 }
        if isRole {
            let id = RoleID(rawValue: value)
            if roles.count < Self.maximumMentions, !roles.contains(id) { roles.append(id) }
        } else {
            let id = UserID(rawValue: value)
            if users.count < Self.maximumMentions, !users.contains(id) { users.append(id) }
        }
        return at + 1
    }

    /// The place after a code span or block that begins at `start`; the next character when it is never closed.
    private static func endOfCode(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        var width = 0
        while start + width < bytes.count, bytes[start + width] == UInt8(ascii: "`") { width += 1 }
        var at = start + width
        var run = 0
        while at < bytes.count {
            if bytes[at] == UInt8(ascii: "`") {
                run += 1
                if run == width, at + 1 == bytes.count || bytes[at + 1] != UInt8(ascii: "`") { return at + 1 }
            } else {
                run = 0
            }
            at += 1
        }
        return start + width
    }

    private static func matches(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int, _ word: StaticString) -> Bool {
        guard start + word.utf8CodeUnitCount <= bytes.count else { return false }
        for offset in 0..<word.utf8CodeUnitCount where bytes[start + offset] != word.utf8Start[offset] { return false }
        return true
    }
}
