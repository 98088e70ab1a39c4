import Crypto
import Foundation
import Testing

@testable import ObjectStore

/// AWS's published vectors: those of the signing test suite, and those of the S3 documentation ("Signature
/// calculations for the Authorization header").
@Suite("Signature Version 4 is AWS's")
struct SignatureV4Tests {
    static let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    struct Vector: Sendable, CustomTestStringConvertible {
        var name: String
        var method = "GET"
        var path = "/"
        var query: [(name: String, value: String)] = []
        var headers: [(name: String, value: String)] = []
        var signedHeaders = "host;x-amz-date"
        var signature: String

        var testDescription: String { name }
    }

    static let suite = [
        Vector(name: "get-vanilla", signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        Vector(
            name: "post-vanilla", method: "POST",
            signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        Vector(
            name: "get-vanilla-query-order-key-case", query: [("Param2", "value2"), ("Param1", "value1")],
            signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        Vector(
            name: "get-unreserved", path: "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            signature: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
        Vector(
            name: "get-vanilla-utf8-query", query: [("\u{1234}", "bar")],
            signature: "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
        Vector(
            name: "get-header-value-trim", headers: [("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")],
            signedHeaders: "host;my-header1;my-header2;x-amz-date",
            signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
        Vector(
            name: "get-vanilla-with-session-token",
            headers: [
                ("X-Amz-Security-Token", "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267")
            ], signedHeaders: "host;x-amz-date;x-amz-security-token",
            signature: "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"),
    ]

    @Test("of the signing test suite", arguments: suite)
    func signingTestSuite(_ vector: Vector) {
        let text = SignatureV4(region: "us-east-1", service: "service").authorization(
            .init(
                method: vector.method, path: vector.path, query: vector.query,
                headers: [("Host", "example.amazonaws.com"), ("X-Amz-Date", "20150830T123600Z")] + vector.headers,
                payloadHash: Self.empty),
            credentials: AWSCredentials(
                accessKey: "AKIDEXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            date: "20150830T123600Z")
        #expect(
            text
                == "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                + "SignedHeaders=\(vector.signedHeaders), Signature=\(vector.signature)")
    }

    static let examples = [
        Vector(
            name: "GET Object", path: "/test.txt", headers: [("Range", "bytes=0-9")],
            signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        Vector(
            name: "PUT Object", method: "PUT", path: "/" + SignatureV4.escaped("test$file.text", keeping: "/"),
            headers: [("Date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
            signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
        Vector(
            name: "GET Bucket Lifecycle", query: [("lifecycle", "")],
            signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        Vector(
            name: "List Objects", query: [("max-keys", "2"), ("prefix", "J")],
            signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ]

    @Test("of the S3 documentation", arguments: examples)
    func documentation(_ vector: Vector) {
        let hash =
            vector.method == "PUT"
            ? Hexadecimal.text(SHA256.hash(data: Data("Welcome to Amazon S3.".utf8))) : Self.empty
        let text = SignatureV4(region: "us-east-1", service: "s3").authorization(
            .init(
                method: vector.method, path: vector.path, query: vector.query,
                headers: [
                    ("Host", "examplebucket.s3.amazonaws.com"), ("x-amz-content-sha256", hash),
                    ("x-amz-date", "20130524T000000Z"),
                ] + vector.headers, payloadHash: hash),
            credentials: AWSCredentials(
                accessKey: "AKIAIOSFODNN7EXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            date: "20130524T000000Z")
        #expect(text.hasSuffix("Signature=\(vector.signature)"))
    }

    @Test("a time is written in UTC, without separators")
    func time() {
        #expect(SignatureV4.text(of: Date(timeIntervalSince1970: 1_440_938_160)) == "20150830T123600Z")
        #expect(SignatureV4.text(of: Date(timeIntervalSince1970: 1_369_353_600)) == "20130524T000000Z")
    }

    @Test("credentials are never printed")
    func hidden() {
        let credentials = AWSCredentials(accessKey: "AKID", secretKey: "s3cret", sessionToken: "t0ken")
        #expect(!"\(credentials) \(AWSCredentialsSource.fixed(credentials))".contains("s3cret"))
        #expect(!String(describing: AWSCredentialsSource.fixed(credentials)).contains("t0ken"))
    }
}
