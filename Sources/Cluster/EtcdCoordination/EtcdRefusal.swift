import Coordination

/// What a member said when it refused a call, and what follows from it.
///
/// The texts are etcd's own (its rpctypes), which it keeps stable for clients; the codes are gRPC's.
struct EtcdRefusal: Error, Hashable {
    enum Meaning: Hashable {
        /// The caller's matter: no repetition helps.
        case failure(CoordinatorFailure)
        /// The call certainly did not run, and may be made again.
        case didNotRun
        /// The token is unknown to the member or has expired: the call did not run.
        case unauthenticated
        /// Not allowed to this user, or (a watch says no more) the token has expired.
        case forbidden
        /// Whether the call ran is unknown.
        case unknown
    }

    var code: Int
    var message: String

    init(code: Int, message: String) {
        self.code = code
        self.message = String(message.prefix(EtcdLimits.quotedReason))
    }

    init(_ answer: EtcdAnswer.Refusal) {
        self.init(code: answer.grpcCode ?? answer.code ?? 2, message: answer.message ?? answer.error ?? "no reason")
    }

    private static let noSpace = """
        etcd's database has reached its quota (alarm NOSPACE) and refuses changes: compact and defragment it, then \
        clear the alarm with 'etcdctl alarm disarm'
        """

    var meaning: Meaning {
        if message.contains("database space exceeded") { return .failure(.unavailable(Self.noSpace)) }
        if message.contains("requested lease not found") { return .failure(.leaseExpired) }
        if message.contains("has been compacted") { return .failure(.compacted) }
        if message.contains("invalid auth token") || message.contains("revision in header is old") {
            return .unauthenticated
        }
        if message.contains("user name is empty") {
            return .failure(.invalid("etcd asks for a user: set coordinator.user and coordinator.password-file"))
        }
        if message.contains("CommonName of client") {
            return .failure(
                .invalid("etcd's gateway takes no client certificate with a common name while etcd has users"))
        }
        if message.contains("permission denied") { return .forbidden }
        if message.contains("too many requests") || message.contains("proposal dropped") { return .didNotRun }
        return switch code {
        // InvalidArgument, NotFound, AlreadyExists, FailedPrecondition, OutOfRange, Unimplemented.
        case 3, 5, 6, 9, 11, 12: .failure(.invalid(message))
        case 7: .forbidden
        case 16: .unauthenticated
        default: .unknown
        }
    }
}
