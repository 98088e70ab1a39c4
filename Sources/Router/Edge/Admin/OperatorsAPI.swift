import Control
import Crypto
import Foundation
import Identity
import Logging
import NIOCore
import Routing
import Transport
import Wire

/// What the operators' API (docs/admin-api.md) needs beside the view of the cluster.
public struct OperatorsAPI: Sendable {
    private let tokenDigest: SHA256.Digest?
    public var cluster: ClusterRecord
    /// This program's version.
    public var version: String
    /// Moves the clock of every process; only called in a cluster that was created for tests.
    public var moveClock: @Sendable (Duration) async throws -> Void
    /// This process's log level.
    public var logLevel: @Sendable () -> Logger.Level
    public var setLogLevel: @Sendable (Logger.Level) -> Void

    /// Compares the replicas of a slot.
    public var verify: @Sendable (Slot, SlotVerification.Limits) async -> SlotVerification.Outcome = { _, _ in
        .notCompared("this router cannot")
    }
    /// What changes the cluster's shape; `nil` where there is no coordinator to change it in.
    public var control: ClusterControl?
    /// Passes a step of a backup or restore to the primary of its slot.
    public var backup: @Sendable (BackupCall, NIODeadline) async throws(CallFailure) -> BackupReply = {
        _, _ throws(CallFailure) in throw .unknownMethod
    }

    /// - Parameter token: the operators' token; `nil` closes the API.
    public init(
        token: String?, cluster: ClusterRecord, version: String, control: ClusterControl? = nil,
        moveClock: @escaping @Sendable (Duration) async throws -> Void,
        logLevel: @escaping @Sendable () -> Logger.Level, setLogLevel: @escaping @Sendable (Logger.Level) -> Void
    ) {
        tokenDigest = token.map { SHA256.hash(data: Data($0.utf8)) }
        self.cluster = cluster
        self.version = version
        self.control = control
        self.moveClock = moveClock
        self.logLevel = logLevel
        self.setLogLevel = setLogLevel
    }

    /// In time that does not depend on how much of the token is right: digests are compared, and their comparison
    /// takes constant time.
    func accepts(_ authorization: String?) -> Bool {
        guard let tokenDigest, let authorization, authorization.hasPrefix("Bearer ") else { return false }
        return SHA256.hash(data: Data(authorization.dropFirst("Bearer ".count).utf8)) == tokenDigest
    }
}
