import Foundation
import Identity
import Testing

@Suite struct TokenTests {
    static let secret = TokenSecret(bytes: Array(0..<32))
    static let token = Token(userID: UserID(rawValue: 175_928_847_299_117_063), tokenID: 0x0102_0304_0506_07ff)
    static let text = token.signed(with: secret)

    @Test func aTokenOfOursIsRead() {
        #expect(Token(Self.text, secret: Self.secret) == Self.token)
        for tokenID in [0, 1, UInt64.max] {
            let token = Token(userID: UserID(rawValue: .max), tokenID: tokenID)
            #expect(Token(token.signed(with: Self.secret), secret: Self.secret) == token)
        }
    }

    @Test func itsFirstPartIsTheUsersIdAsLibrariesExpect() throws {
        let part = try #require(Self.text.split(separator: ".").first)
        let padded = part + String(repeating: "=", count: (4 - part.count % 4) % 4)
        #expect(
            String(decoding: try #require(Data(base64Encoded: String(padded))), as: UTF8.self)
                == "175928847299117063")
        #expect(!Self.text.contains("="))
    }

    @Test func aForeignSecretIsRefused() {
        #expect(Token(Self.text, secret: TokenSecret(bytes: Array(1..<33))) == nil)
    }

    @Test func everyTruncationIsRefused() {
        for length in 0..<Self.text.count { #expect(Token(Self.text.prefix(length), secret: Self.secret) == nil) }
    }

    @Test func everyChangedCharacterIsRefusedOrMeansTheSame() {
        for index in Self.text.indices {
            var forged = Self.text
            forged.replaceSubrange(index...index, with: forged[index] == "A" ? "B" : "A")
            // The last character of a part holds bits that base64 ignores: it may read as the same token, never another.
            let read = Token(forged, secret: Self.secret)
            #expect(read == nil || read == Self.token)
        }
    }

    @Test func anotherUsersIdUnderTheSameSignatureIsRefused() {
        let other = Token(userID: UserID(rawValue: 42), tokenID: Self.token.tokenID).signed(with: Self.secret)
        let parts = other.split(separator: ".")
        let own = Self.text.split(separator: ".")
        #expect(Token("\(parts[0]).\(own[1]).\(own[2])", secret: Self.secret) == nil)
        #expect(Token("\(own[0]).\(parts[1]).\(parts[2])", secret: Self.secret) == nil)
    }

    @Test(arguments: [
        "", ".", "..", "...", "a.b.c", "Bot x.y.z", "\u{0}.\u{0}.\u{0}", "🎉.🎉.🎉", text + ".", "." + text, text + ".x",
        String(repeating: "a", count: 300), String(repeating: ".", count: 256),
    ])
    func garbageIsRefused(text: String) { #expect(Token(text, secret: Self.secret) == nil) }

    @Test func theSecretIsNotPrinted() { #expect("\(Self.secret)" == "TokenSecret(hidden)") }
}
