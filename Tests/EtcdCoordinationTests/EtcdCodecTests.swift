import Coordination
import Foundation
import NIOCore
import Testing

@testable import EtcdCoordination

@Suite struct EtcdCodecTests {
    private let codec = EtcdCodec(prefix: "/g/")

    /// A request as JSON, with base64 read where it stands for text.
    private func json(_ bytes: ByteBuffer) throws -> NSDictionary {
        try #require(try JSONSerialization.jsonObject(with: Data(bytes.readableBytesView)) as? NSDictionary)
    }

    private func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

    @Test func aTransactionComparesWhatItsConditionsSay() throws {
        let lease = CoordinatorLease(id: UInt64(bitPattern: -5), duration: .seconds(1))
        let transaction = CoordinatorTransaction(
            conditions: [.absent("a"), .revision("b", 9_007_199_254_740_993)],
            operations: [.put("a", ByteBuffer(string: "1"), lease: lease), .delete("b")])
        let expected: NSDictionary = [
            "compare": [
                ["result": "EQUAL", "target": "CREATE", "key": base64("/g/a"), "createRevision": "0"],
                ["result": "EQUAL", "target": "MOD", "key": base64("/g/b"), "modRevision": "9007199254740993"],
            ],
            "success": [
                ["requestPut": ["key": base64("/g/a"), "value": base64("1"), "lease": "-5"]],
                ["requestDeleteRange": ["key": base64("/g/b")]],
            ],
        ]
        #expect(try json(codec.commit(transaction)) == expected)
    }

    @Test func aPageGoesOnBehindTheLastKeyAtTheSameRevision() throws {
        let first: NSDictionary = ["key": base64("/g/nodes/"), "rangeEnd": base64("/g/nodes0"), "limit": "7"]
        #expect(try json(codec.page(prefix: "nodes/", from: nil, limit: 7, revision: nil)) == first)
        let second = try json(codec.page(prefix: "nodes/", from: Data("/g/nodes/a\0".utf8), limit: 7, revision: 12))
        #expect(second["key"] as? String == base64("/g/nodes/a\0"))
        #expect(second["revision"] as? String == "12")
    }

    @Test(arguments: [(1, 1), (1_000, 1), (1_001, 2), (10_000, 10)] as [(Int64, Int64)])
    func aLeaseIsAskedForInWholeSecondsAndNeverTooShort(milliseconds: Int64, seconds: Int64) throws {
        #expect(try json(codec.grantLease(.milliseconds(milliseconds)))["TTL"] as? String == "\(seconds)")
    }

    @Test func fieldsThatAreLeftOutHaveTheirDefaults() throws {
        let text = #"{"header":{"revision":"3"},"kvs":[{"key":"L2cvYQ==","mod_revision":"2","version":"1"}]}"#
        let answer = try EtcdCodec.decode(EtcdAnswer.Range.self, ByteBuffer(string: text))
        let entry = try codec.entry(try #require(answer.kvs?.first))
        #expect(entry == CoordinatorEntry(key: "a", value: ByteBuffer(), revision: 2))
        let none = try EtcdCodec.decode(EtcdAnswer.Range.self, ByteBuffer(string: #"{"header":{"revision":"3"}}"#))
        #expect(none.kvs == nil && none.more == nil)
    }

    @Test(arguments: [
        "", "{", "[]", #"{"kvs":[]}"#, #"{"header":{"revision":"x"}}"#, #"{"header":{"revision":1.5}}"#,
        #"{"header":{},"kvs":[{"key":"*"}]}"#, #"{"header":{"revision":"99999999999999999999"}}"#,
    ])
    func whatIsNotAnAnswerIsRefused(text: String) {
        #expect(throws: EtcdCodec.Unreadable.self) {
            try EtcdCodec.decode(EtcdAnswer.Range.self, ByteBuffer(string: text))
        }
    }

    @Test func aKeyOfSomebodyElseIsRefused() {
        let other = EtcdAnswer.KeyValue(key: Data("/h/a".utf8), value: nil, modRevision: 1)
        #expect(throws: EtcdCodec.Unreadable.self) { try codec.entry(other) }
    }

    @Test(
        arguments: [
            ("etcdserver: mvcc: required revision has been compacted", 11, .failure(.compacted)),
            ("etcdserver: requested lease not found", 5, .failure(.leaseExpired)),
            ("etcdserver: request timed out", 14, .unknown),
            ("etcdserver: leader changed", 14, .unknown),
            ("etcdserver: request timed out, possibly due to previous leader failure", 14, .unknown),
            ("context deadline exceeded", 4, .unknown),
            ("raft proposal dropped", 2, .didNotRun),
            ("etcdserver: too many requests", 8, .didNotRun),
            ("etcdserver: invalid auth token", 16, .unauthenticated),
            (
                "etcdserver: revision of auth store is old", 3,
                .failure(.invalid("etcdserver: revision of auth store is old"))
            ),
            ("etcdserver: permission denied", 7, .forbidden),
        ] as [(String, Int, EtcdRefusal.Meaning)])
    func aRefusalSaysWhatFollows(message: String, code: Int, meaning: EtcdRefusal.Meaning) {
        let body = #"{"error":"\#(message)","message":"\#(message)","code":\#(code)}"#
        #expect(EtcdCodec.refusal(ByteBuffer(string: body), status: 503).meaning == meaning)
    }

    @Test func aFullDatabaseIsToldWithWhatToDo() {
        let refusal = EtcdRefusal(code: 8, message: "etcdserver: mvcc: database space exceeded")
        guard case .failure(.unavailable(let reason)) = refusal.meaning else {
            Issue.record("\(refusal)")
            return
        }
        #expect(reason.contains("NOSPACE") && reason.contains("alarm disarm"))
    }

    @Test func anEtcdWithoutItsGatewayIsToldApart() {
        let refusal = EtcdCodec.refusal(ByteBuffer(string: "404 page not found\n"), status: 404)
        guard case .failure(.invalid(let reason)) = refusal.meaning else {
            Issue.record("\(refusal)")
            return
        }
        #expect(reason.contains("enable-grpc-gateway"))
        let lease = #"{"error":"etcdserver: requested lease not found","code":5}"#
        #expect(EtcdCodec.refusal(ByteBuffer(string: lease), status: 404).meaning == .failure(.leaseExpired))
    }

    @Test func aProxysErrorPageLeavesTheOutcomeUnknown() {
        #expect(EtcdCodec.refusal(ByteBuffer(string: "<html>"), status: 502).meaning == .unknown)
    }

    @Test(
        arguments: [
            ("http://a:2379", "http://a:2379"), ("https://[::1]:1/", "https://[::1]:1"), ("http://1.2.3.4:65535", nil),
        ] as [(String, String?)])
    func anEndpointIsAURLWithoutPath(text: String, written: String?) {
        #expect(EtcdEndpoint(text)?.description == written ?? text)
    }

    @Test(arguments: [
        "a:1", "http://a", "ftp://a:1", "http://:1", "http://a:0", "http://a:65536", "http://a:1/v3",
        "http://u@a:1", "http://::1:5",
    ])
    func otherURLsAreRefused(text: String) { #expect(EtcdEndpoint(text) == nil) }
}
