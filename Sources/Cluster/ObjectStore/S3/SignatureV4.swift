import Crypto
import Foundation

/// AWS Signature Version 4 as a function: a request and a time in, the `Authorization` header out (AWS, "Create a signed
/// AWS API request").
public struct SignatureV4: Sendable {
    /// A request as it is signed.
    public struct Request: Sendable {
        public var method: String
        /// The path as it is sent, escaped once.
        public var path: String
        /// Names and values before escaping.
        public var query: [(name: String, value: String)]
        /// All of these are signed; `host` and `x-amz-date` must be among them.
        public var headers: [(name: String, value: String)]
        /// The SHA-256 of the body in hexadecimal.
        public var payloadHash: String

        public init(
            method: String, path: String, query: [(name: String, value: String)] = [],
            headers: [(name: String, value: String)], payloadHash: String
        ) {
            self.method = method
            self.path = path
            self.query = query
            self.headers = headers
            self.payloadHash = payloadHash
        }
    }

    public var region: String
    public var service: String

    public init(region: String, service: String) {
        self.region = region
        self.service = service
    }

    /// - Parameter date: as in `x-amz-date`: `20150830T123600Z`.
    public func authorization(_ request: Request, credentials: AWSCredentials, date: String) -> String {
        let (canonical, signedHeaders) = Self.canonicalRequest(request)
        let scope = "\(date.prefix(8))/\(region)/\(service)/aws4_request"
        let hash = Hexadecimal.text(SHA256.hash(data: Data(canonical.utf8)))
        let text = "AWS4-HMAC-SHA256\n\(date)\n\(scope)\n\(hash)"
        var key = SymmetricKey(data: Data("AWS4\(credentials.secretKey)".utf8))
        for part in [String(date.prefix(8)), region, service, "aws4_request"] {
            key = SymmetricKey(data: HMAC<SHA256>.authenticationCode(for: Data(part.utf8), using: key))
        }
        let signature = Hexadecimal.text(HMAC<SHA256>.authenticationCode(for: Data(text.utf8), using: key))
        return "AWS4-HMAC-SHA256 Credential=\(credentials.accessKey)/\(scope), SignedHeaders=\(signedHeaders), "
            + "Signature=\(signature)"
    }

    static func canonicalRequest(_ request: Request) -> (text: String, signedHeaders: String) {
        let headers = request.headers.map { (name: $0.name.lowercased(), value: trimmed($0.value)) }
            .sorted { $0.name < $1.name }
        let signedHeaders = headers.map(\.name).joined(separator: ";")
        let lines = [request.method, request.path, queryText(request.query)] + headers.map { "\($0.name):\($0.value)" }
        return (
            lines.joined(separator: "\n") + "\n\n\(signedHeaders)\n\(request.payloadHash)", signedHeaders
        )
    }

    /// The query as it is signed and sent: escaped, in order.
    static func queryText(_ query: [(name: String, value: String)]) -> String {
        query.map { (escaped($0.name), escaped($0.value)) }.sorted { $0 < $1 }.map { "\($0)=\($1)" }
            .joined(separator: "&")
    }

    /// All but letters, digits and `-._~` as `%XX`.
    static func escaped(_ text: String, keeping kept: String = "") -> String {
        var result = ""
        for byte in text.utf8 {
            let scalar = Unicode.Scalar(byte)
            if ObjectKey.isAllowed(byte) || byte == UInt8(ascii: "~") || kept.utf8.contains(byte) {
                result.unicodeScalars.append(scalar)
            } else {
                result += "%" + Hexadecimal.text([byte]).uppercased()
            }
        }
        return result
    }

    /// Without blanks around it, and single ones inside.
    private static func trimmed(_ value: String) -> String {
        value.split(separator: " ").joined(separator: " ")
    }

    /// `20150830T123600Z`.
    public static func text(of date: Date) -> String {
        date.formatted(
            Date.VerbatimFormatStyle(
                format:
                    "\(year: .padded(4))\(month: .twoDigits)\(day: .twoDigits)T\(hour: .twoDigits(clock: .twentyFourHour, hourCycle: .zeroBased))\(minute: .twoDigits)\(second: .twoDigits)Z",
                locale: Locale(identifier: "en_US_POSIX"), timeZone: .gmt,
                calendar: Calendar(identifier: .gregorian)))
    }
}
