import Coordination
import Foundation
import NIOCore

/// Translates between the coordinator's terms and etcd's JSON: bytes in, bytes out, no I/O.
struct EtcdCodec: Sendable {
    /// An answer that is not what etcd's API describes.
    struct Unreadable: Error {
        var reason: String
    }

    let prefix: String

    func key(_ key: String) -> Data { Data((prefix + key).utf8) }

    /// The end of the range of all keys that begin with `prefix`: the prefix with its last byte one higher. Keys and
    /// prefixes are ASCII, so there is no carry.
    func end(_ prefix: String) -> Data {
        var bytes = key(prefix)
        guard let last = bytes.popLast() else { return Data([0]) }
        bytes.append(last + 1)
        return bytes
    }

    // MARK: Requests

    func get(_ name: String) -> ByteBuffer { encode(EtcdRequest.Range(key: key(name))) }

    /// A linearizable read that says nothing but that the member takes part.
    func probe() -> ByteBuffer { encode(EtcdRequest.Range(key: key(CoordinatorKey.cluster), countOnly: true)) }

    /// One page of a listing: from `start`, as of `revision`.
    func page(prefix: String, from start: Data?, limit: Int, revision: UInt64?) -> ByteBuffer {
        encode(
            EtcdRequest.Range(
                key: start ?? key(prefix), rangeEnd: end(prefix), limit: WireInteger(Int64(limit)),
                revision: revision.map { WireInteger(revision: $0) }))
    }

    func commit(_ transaction: CoordinatorTransaction) -> ByteBuffer {
        let compare = transaction.conditions.map { condition in
            switch condition {
            case .absent(let name):
                EtcdRequest.Compare(target: "CREATE", key: key(name), createRevision: 0)
            case .revision(let name, let revision):
                EtcdRequest.Compare(target: "MOD", key: key(name), modRevision: WireInteger(revision: revision))
            }
        }
        let success = transaction.operations.map { operation in
            switch operation {
            case .put(let name, let value, let lease):
                EtcdRequest.Operation(
                    requestPut: .init(
                        key: key(name), value: Data(value.readableBytesView),
                        lease: lease.map { EtcdCodec.identifier(of: $0) }))
            case .delete(let name): EtcdRequest.Operation(requestDeleteRange: .init(key: key(name)))
            }
        }
        return encode(EtcdRequest.Transaction(compare: compare, success: success))
    }

    /// etcd counts in whole seconds.
    func grantLease(_ duration: Duration) -> ByteBuffer {
        let (seconds, rest) = duration.components
        return encode(EtcdRequest.LeaseGrant(ttl: WireInteger(max(1, rest > 0 ? seconds + 1 : seconds))))
    }

    func lease(_ lease: CoordinatorLease) -> ByteBuffer {
        encode(EtcdRequest.Lease(id: EtcdCodec.identifier(of: lease)))
    }

    func watch(prefix: String, from revision: UInt64) -> ByteBuffer {
        encode(
            EtcdRequest.Watch(
                createRequest: .init(
                    key: key(prefix), rangeEnd: end(prefix), startRevision: WireInteger(revision: revision))))
    }

    func authenticate(_ user: EtcdSettings.User) -> ByteBuffer {
        encode(EtcdRequest.Authenticate(name: user.name, password: user.password))
    }

    func empty() -> ByteBuffer { encode(EtcdRequest.Empty()) }
    func alarms() -> ByteBuffer { encode(EtcdRequest.Alarm()) }

    private func encode(_ request: some Encodable) -> ByteBuffer {
        guard let bytes = try? JSONEncoder().encode(request) else {
            preconditionFailure("structs of strings, bytes and integers are always encodable")
        }
        return ByteBuffer(bytes: bytes)
    }

    // MARK: Answers

    static func decode<Answer: Decodable>(
        _ type: Answer.Type, _ bytes: ByteBuffer
    ) throws(Unreadable) -> Answer {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do { return try decoder.decode(type, from: Data(bytes.readableBytesView)) } catch {
            throw Unreadable(reason: "\(error)")
        }
    }

    /// The one message of a call that streams.
    static func decodeStreamed<Answer: Decodable>(
        _ type: Answer.Type, _ bytes: ByteBuffer
    ) throws(Unreadable) -> Result<Answer, EtcdRefusal> {
        let message = try decode(EtcdAnswer.Streamed<Answer>.self, bytes)
        if let result = message.result { return .success(result) }
        guard let error = message.error else { throw Unreadable(reason: "a message without result and error") }
        return .failure(EtcdRefusal(error))
    }

    private static let gatewayIsOff = """
        there is no JSON gateway: etcd has it switched off (enable-grpc-gateway, which is off by default where etcd has \
        a configuration file), or it is no etcd of version 3.4 or later
        """

    static func refusal(_ bytes: ByteBuffer, status: Int) -> EtcdRefusal {
        if let refusal = try? decode(EtcdAnswer.Refusal.self, bytes) { return EtcdRefusal(refusal) }
        // As a server answers that knows the port, but not the path.
        if status == 404 { return EtcdRefusal(code: 12, message: gatewayIsOff) }
        let text = String(decoding: bytes.readableBytesView.prefix(EtcdLimits.quotedReason), as: UTF8.self)
        return EtcdRefusal(code: 2, message: "HTTP status \(status): \(text)")
    }

    func entry(_ keyValue: EtcdAnswer.KeyValue) throws(Unreadable) -> CoordinatorEntry {
        CoordinatorEntry(
            key: try name(of: keyValue), value: ByteBuffer(bytes: keyValue.value ?? Data()),
            revision: keyValue.modRevision?.unsigned ?? 0)
    }

    func change(_ event: EtcdAnswer.Event) throws(Unreadable) -> CoordinatorChange {
        CoordinatorChange(
            key: try name(of: event.kv),
            value: event.type == "DELETE" ? nil : ByteBuffer(bytes: event.kv.value ?? Data()),
            revision: event.kv.modRevision?.unsigned ?? 0)
    }

    private func name(of keyValue: EtcdAnswer.KeyValue) throws(Unreadable) -> String {
        guard let name = String(data: keyValue.key, encoding: .utf8), name.hasPrefix(prefix) else {
            throw Unreadable(reason: "a key without the prefix \(prefix)")
        }
        return String(name.dropFirst(prefix.count))
    }

    /// etcd's lease ids are signed; their bits are kept.
    static func identifier(of lease: CoordinatorLease) -> WireInteger { WireInteger(Int64(bitPattern: lease.id)) }

    static func lease(_ answer: EtcdAnswer.Lease) throws(Unreadable) -> CoordinatorLease {
        guard let id = answer.id?.value, id != 0, let seconds = answer.ttl?.value, seconds > 0 else {
            throw Unreadable(reason: "a lease without id or duration")
        }
        return CoordinatorLease(id: UInt64(bitPattern: id), duration: .seconds(seconds))
    }
}
