import Coordination
import NIOCore

/// How an etcd and its members are, for operators.
public struct EtcdStatus: Sendable {
    public struct Member: Sendable {
        public var endpoint: EtcdEndpoint
        /// What it answered; or why it did not.
        public var answer: Result<Answer, CoordinatorFailure>
    }

    public struct Answer: Hashable, Sendable {
        public var version: String
        public var isLeader: Bool
        /// `false` while the member knows no leader.
        public var hasLeader: Bool
        public var revision: UInt64
        /// The database's file, and what of it is in use, in bytes; the rest is given back by a defragmentation.
        public var databaseBytes: UInt64
        public var bytesInUse: UInt64
    }

    public var members: [Member]
    /// Raised ones, such as `NOSPACE (member 8e9e05c52164694d)`.
    public var alarms: [String]
}

extension EtcdCoordinator {
    /// Asks every endpoint, all at once.
    public func status() async throws(CoordinatorFailure) -> EtcdStatus {
        let client = client
        let members = await withTaskGroup(of: EtcdStatus.Member.self) { group in
            for endpoint in client.settings.endpoints {
                group.addTask {
                    EtcdStatus.Member(endpoint: endpoint, answer: await EtcdCoordinator.ask(endpoint, client))
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        let order = client.settings.endpoints
        let sorted = order.compactMap { endpoint in members.first { $0.endpoint == endpoint } }
        let bytes = try await client.call("maintenance/alarm", client.codec.alarms(), repetition: .allowed)
        let answer: EtcdAnswer.Alarms
        do throws(EtcdTransport.Failure) { answer = try EtcdClient.decode(EtcdAnswer.Alarms.self, bytes) } catch {
            throw .unavailable(error.reason)
        }
        let alarms = (answer.alarms ?? []).map { alarm in
            let member = alarm.memberID.flatMap { UInt64($0) }.map { String($0, radix: 16) } ?? "?"
            return "\(alarm.alarm ?? "NONE") (member \(member))"
        }
        return EtcdStatus(members: sorted, alarms: alarms)
    }

    private static func ask(
        _ endpoint: EtcdEndpoint, _ client: EtcdClient
    ) async -> Result<EtcdStatus.Answer, CoordinatorFailure> {
        do throws(EtcdTransport.Failure) {
            let bytes = try await client.attempt(
                "maintenance/status", client.codec.empty(), at: endpoint,
                deadline: .now() + client.settings.attemptTimeout.timeAmount)
            let status = try EtcdClient.decode(EtcdAnswer.Status.self, bytes)
            let leader = status.leader.flatMap { $0 == "0" ? nil : $0 }
            return .success(
                EtcdStatus.Answer(
                    version: status.version ?? "?", isLeader: leader != nil && leader == status.header.memberId,
                    hasLeader: leader != nil, revision: status.header.revision?.unsigned ?? 0,
                    databaseBytes: status.dbSize?.unsigned ?? 0, bytesInUse: status.dbSizeInUse?.unsigned ?? 0))
        } catch { return .failure(.unavailable(error.reason)) }
    }
}
