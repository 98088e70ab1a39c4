import Crypto
import Foundation

/// The secret that tokens are signed with; one a cluster, kept in the coordinator, never logged.
public struct TokenSecret: Sendable, CustomStringConvertible {
    let key: SymmetricKey

    /// - Parameter bytes: at least 32.
    public init(bytes: [UInt8]) {
        precondition(bytes.count >= 32, "a token secret has at least 32 bytes")
        key = SymmetricKey(data: bytes)
    }

    public var description: String { "TokenSecret(hidden)" }
}

/// A user's or bot's token in Discord's three-part form: user id, token id, HMAC-SHA256; each in unpadded base64url.
///
/// Libraries take the user's id from the first part. The signature lets an edge reject a forged token without asking
/// anyone; whether a well-signed token still holds is known at the user's slot, which lists the ids of live tokens.
public struct Token: Hashable, Sendable {
    /// The longest text that is looked at.
    public static let maximumLength = 256

    public var userID: UserID
    /// Random, unique for the user; what revocation deletes.
    public var tokenID: UInt64

    public init(userID: UserID, tokenID: UInt64) {
        self.userID = userID
        self.tokenID = tokenID
    }

    /// Parses and verifies `text`, in time that does not depend on the signature; `nil` when it is not ours.
    public init?(_ text: some StringProtocol, secret: TokenSecret) {
        guard text.utf8.count <= Token.maximumLength else { return nil }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3,
            let identifier = Token.decode(parts[0]), let userID = UserID(String(decoding: identifier, as: UTF8.self)),
            let tokenBytes = Token.decode(parts[1]), tokenBytes.count == 8,
            let signature = Token.decode(parts[2])
        else { return nil }
        let signed = Data("\(parts[0]).\(parts[1])".utf8)
        guard HMAC<SHA256>.isValidAuthenticationCode(signature, authenticating: signed, using: secret.key) else {
            return nil
        }
        self.userID = userID
        tokenID = tokenBytes.reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// The text that a client sends.
    public func signed(with secret: TokenSecret) -> String {
        let identifier = Token.encode(Data(userID.description.utf8))
        let token = Token.encode(Data((0..<8).map { UInt8(truncatingIfNeeded: tokenID >> (56 - 8 * UInt64($0))) }))
        let signed = "\(identifier).\(token)"
        let code = HMAC<SHA256>.authenticationCode(for: Data(signed.utf8), using: secret.key)
        return "\(signed).\(Token.encode(Data(code)))"
    }

    private static func encode(_ data: Data) -> String {
        data.base64EncodedString().replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_")
            .replacingOccurrences(of: "=", with: "")
    }

    private static func decode(_ text: some StringProtocol) -> Data? {
        var base64 = text.replacingOccurrences(of: "-", with: "+").replacingOccurrences(of: "_", with: "/")
        base64 += String(repeating: "=", count: (4 - base64.utf8.count % 4) % 4)
        return Data(base64Encoded: base64)
    }
}
