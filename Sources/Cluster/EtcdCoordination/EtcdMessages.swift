import Coordination
import Foundation
import NIOCore

// The JSON of etcd 3.4's gateway (etcd's rpc.proto, by the proto3 JSON mapping): 64-bit integers are strings, bytes are
// base64, and a field with its default value may be left out. Parsers take names in camel case; etcd answers with those
// of its protocol's files, in snake case.

/// A 64-bit integer as proto3 writes it: in quotes. Read with or without them.
struct WireInteger: Codable, Hashable, ExpressibleByIntegerLiteral {
    var value: Int64

    init(_ value: Int64) { self.value = value }
    init(integerLiteral value: Int64) { self.value = value }
    /// Revisions beyond 2^63 do not exist; the largest stands for them.
    init(revision: UInt64) { value = Int64(clamping: revision) }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self) {
            guard let value = Int64(text) else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a 64-bit integer")
            }
            self.value = value
        } else {
            value = try container.decode(Int64.self)
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(String(value))
    }

    /// Revisions and counts are never negative.
    var unsigned: UInt64 { UInt64(max(0, value)) }
}

enum EtcdRequest {
    struct Range: Encodable {
        var key: Data
        var rangeEnd: Data?
        var limit: WireInteger?
        var revision: WireInteger?
        var countOnly: Bool?
    }

    struct Compare: Encodable {
        var result = "EQUAL"
        var target: String
        var key: Data
        var createRevision: WireInteger?
        var modRevision: WireInteger?
    }

    struct Put: Encodable {
        var key: Data
        var value: Data
        var lease: WireInteger?
    }

    struct DeleteRange: Encodable { var key: Data }

    struct Operation: Encodable {
        var requestPut: Put?
        var requestDeleteRange: DeleteRange?
    }

    struct Transaction: Encodable {
        var compare: [Compare]
        var success: [Operation]
    }

    struct LeaseGrant: Encodable {
        var ttl: WireInteger

        enum CodingKeys: String, CodingKey { case ttl = "TTL" }
    }

    struct Lease: Encodable {
        var id: WireInteger

        enum CodingKeys: String, CodingKey { case id = "ID" }
    }

    struct WatchCreate: Encodable {
        var key: Data
        var rangeEnd: Data
        var startRevision: WireInteger
        var progressNotify = true
        var fragment = true
    }

    struct Watch: Encodable { var createRequest: WatchCreate }
    struct Authenticate: Encodable {
        var name: String
        var password: String
    }

    struct Alarm: Encodable { var action = "GET" }
    struct Empty: Encodable {}
}

enum EtcdAnswer {
    struct Header: Decodable, Hashable {
        var clusterId: String?
        var memberId: String?
        var revision: WireInteger?
    }

    struct KeyValue: Decodable, Hashable {
        var key: Data
        var value: Data?
        var modRevision: WireInteger?
    }

    struct Range: Decodable {
        var header: Header
        var kvs: [KeyValue]?
        var more: Bool?
    }

    struct Transaction: Decodable {
        var header: Header
        var succeeded: Bool?
    }

    struct Lease: Decodable {
        var id: WireInteger?
        var ttl: WireInteger?

        enum CodingKeys: String, CodingKey {
            case id = "ID"
            case ttl = "TTL"
        }
    }

    struct Empty: Decodable {}
    struct Authenticate: Decodable { var token: String }

    struct Status: Decodable {
        var header: Header
        var version: String?
        var dbSize: WireInteger?
        var dbSizeInUse: WireInteger?
        var leader: String?
        var errors: [String]?
    }

    struct Alarms: Decodable {
        struct Alarm: Decodable {
            var memberID: String?
            var alarm: String?
        }

        var alarms: [Alarm]?
    }

    struct Event: Decodable, Hashable {
        var type: String?
        var kv: KeyValue
    }

    struct Watch: Decodable, Hashable {
        var header: Header?
        var created: Bool?
        var canceled: Bool?
        var compactRevision: WireInteger?
        var cancelReason: String?
        var fragment: Bool?
        var events: [Event]?
    }

    /// What a refused call has for a body; a stream's has the same in another shape.
    struct Refusal: Decodable {
        var message: String?
        var error: String?
        var code: Int?
        var grpcCode: Int?
    }

    /// One message of a streaming call.
    struct Streamed<Result: Decodable>: Decodable {
        var result: Result?
        var error: Refusal?
    }
}
