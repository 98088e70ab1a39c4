import Coordination
import Foundation
import NIOCore

/// The coordinator of clusters on several machines: etcd 3.4 or later, by its JSON gateway (DESIGN §5).
///
/// All reads are linearizable. Reads, and changes that may be repeated, are tried at each member in turn until
/// ``EtcdSettings/timeout``; a commit only as long as it certainly did not run, so an unknown outcome is
/// ``CoordinatorFailure/unavailable(_:)``. etcd counts a lease's time in whole seconds, from some two elections' time
/// up, and gives every lease its full time again when it elects a leader: keys may outlive their process by that.
public final class EtcdCoordinator: Coordinator {
    let client: EtcdClient
    private var codec: EtcdCodec { client.codec }

    /// - Throws: when a certificate or key cannot be read.
    public init(_ settings: EtcdSettings, group: any EventLoopGroup) throws {
        client = try EtcdClient(settings, group: group)
    }

    /// Ends connections; watches end with them.
    public func close() async { await client.shutdown() }

    // MARK: Reads

    public func get(_ key: String) async throws(CoordinatorFailure) -> CoordinatorEntry? {
        let bytes = try await client.call("kv/range", codec.get(key), repetition: .allowed)
        let answer = try decode(EtcdAnswer.Range.self, bytes)
        guard let found = answer.kvs?.first else { return nil }
        return try readable { () throws(EtcdCodec.Unreadable) in try codec.entry(found) }
    }

    public func list(prefix: String) async throws(CoordinatorFailure) -> CoordinatorListing {
        var attempts = EtcdLimits.listingAttempts
        while true {
            do throws(CoordinatorFailure) { return try await listOnce(prefix) } catch {
                // Compacted between two pages: the next attempt reads a newer revision.
                attempts -= 1
                guard error == .compacted else { throw error }
                guard attempts > 0 else { throw .unavailable("etcd compacts faster than a listing is read") }
            }
        }
    }

    private func listOnce(_ prefix: String) async throws(CoordinatorFailure) -> CoordinatorListing {
        var listing = CoordinatorListing(entries: [], revision: 0)
        var size = EtcdLimits.pageSize
        var start: Data?
        while true {
            let revision = start == nil ? nil : listing.revision
            let bytes: ByteBuffer
            do throws(CoordinatorFailure) {
                bytes = try await client.call(
                    "kv/range", codec.page(prefix: prefix, from: start, limit: size, revision: revision),
                    repetition: .allowed)
            } catch {
                guard error == EtcdClient.answerTooLong, size > 1 else { throw error }
                size /= 2
                continue
            }
            let answer = try decode(EtcdAnswer.Range.self, bytes)
            if start == nil { listing.revision = answer.header.revision?.unsigned ?? 0 }
            let found = answer.kvs ?? []
            for keyValue in found {
                listing.entries.append(try readable { () throws(EtcdCodec.Unreadable) in try codec.entry(keyValue) })
            }
            guard answer.more == true, let last = found.last else { return listing }
            guard listing.entries.count < CoordinatorLimits.maximumEntries else {
                throw .invalid("etcd holds more than \(CoordinatorLimits.maximumEntries) keys under the prefix")
            }
            start = last.key + [0]
        }
    }

    // MARK: Changes

    public func commit(_ transaction: CoordinatorTransaction) async throws(CoordinatorFailure) -> UInt64? {
        try transaction.validate()
        // etcd gives an absent key the revision 0; here no key has it.
        if transaction.conditions.contains(where: { if case .revision(_, 0) = $0 { true } else { false } }) {
            return nil
        }
        let bytes = try await client.call("kv/txn", codec.commit(transaction), repetition: .onlyIfItDidNotRun)
        let answer = try decode(EtcdAnswer.Transaction.self, bytes)
        guard answer.succeeded == true else { return nil }
        return answer.header.revision?.unsigned ?? 0
    }

    /// A repetition may leave a lease behind that nobody keeps alive; it ends by itself.
    public func grantLease(_ duration: Duration) async throws(CoordinatorFailure) -> CoordinatorLease {
        guard duration >= CoordinatorLimits.shortestLease, duration <= CoordinatorLimits.longestLease else {
            throw .invalid(
                "a lease lasts from \(CoordinatorLimits.shortestLease) to \(CoordinatorLimits.longestLease)")
        }
        let bytes = try await client.call("lease/grant", codec.grantLease(duration), repetition: .allowed)
        let answer = try decode(EtcdAnswer.Lease.self, bytes)
        return try readable { () throws(EtcdCodec.Unreadable) in try EtcdCodec.lease(answer) }
    }

    public func keepAlive(_ lease: CoordinatorLease) async throws(CoordinatorFailure) {
        let answer = try await client.streamedCall(EtcdAnswer.Lease.self, "lease/keepalive", codec.lease(lease))
        guard let left = answer.ttl?.value, left > 0 else { throw .leaseExpired }
    }

    public func revoke(_ lease: CoordinatorLease) async throws(CoordinatorFailure) {
        do throws(CoordinatorFailure) {
            _ = try await client.call("lease/revoke", codec.lease(lease), repetition: .allowed)
        } catch .leaseExpired {
            // It is gone, as was asked for.
        } catch { throw error }
    }

    public func watch(prefix: String, after revision: UInt64) -> AsyncThrowingStream<CoordinatorChange, any Error> {
        let watch = EtcdWatch(client: client, prefix: prefix, after: revision)
        return AsyncThrowingStream { try await watch.next() }
    }

    // MARK: Answers

    private func decode<Answer: Decodable>(
        _ type: Answer.Type, _ bytes: ByteBuffer
    ) throws(CoordinatorFailure) -> Answer {
        try readable { () throws(EtcdCodec.Unreadable) in try EtcdCodec.decode(type, bytes) }
    }

    private func readable<Value>(
        _ body: () throws(EtcdCodec.Unreadable) -> Value
    ) throws(CoordinatorFailure) -> Value {
        do throws(EtcdCodec.Unreadable) { return try body() } catch {
            throw .unavailable("etcd's answer cannot be read: \(error.reason)")
        }
    }
}
