import Domain
import Guild
import Identity
import NIOCore
import User
import Wire

/// All that slots can do: the services' operations and duties under one roof.
public struct ServiceRegistry: Sendable {
    public typealias Authenticate = @Sendable (AuthenticateRequest, any SlotTransaction) throws -> AuthenticateReply
    public typealias Profile = @Sendable (UserID, any SlotTransaction) throws -> UserProfile?

    let operations: [String: OperationHandler]
    private let services: [any SlotService.Type]
    let authenticate: Authenticate
    let profile: Profile

    /// Two services must not serve one operation: that is a mistake in the program, found at start.
    public init(
        _ services: [any SlotService.Type], authenticate: @escaping Authenticate, profile: @escaping Profile
    ) {
        var operations: [String: OperationHandler] = [:]
        for service in services {
            operations.merge(service.operations) { _, _ in
                preconditionFailure("two services serve one operation; the second is \(service)")
            }
        }
        self.operations = operations
        self.services = services
        self.authenticate = authenticate
        self.profile = profile
    }

    /// - Throws: ``ServiceFault/unclaimed(_:)`` when no service knows the effect.
    func apply(_ effect: Effect, in transaction: any SlotTransaction) throws {
        for service in services where try service.apply(effect, in: transaction) { return }
        throw ServiceFault.unclaimed("\(effect)")
    }

    /// - Throws: ``ServiceFault/unclaimed(_:)`` when no service knows the work.
    func perform(_ work: Work, in transaction: any SlotTransaction) throws {
        for service in services where try service.perform(work, in: transaction) { return }
        throw ServiceFault.unclaimed("\(work)")
    }

    func snapshot(of root: RootEntity, for user: UserID, in transaction: any SlotTransaction) throws -> ByteBuffer? {
        for service in services {
            if let snapshot = try service.snapshot(of: root, for: user, in: transaction) { return snapshot }
        }
        return nil
    }
}

/// A mistake of the program, not of a client.
enum ServiceFault: Error, Hashable {
    case unclaimed(String)
    /// A command that had written answered with an outcome that may come only before writes.
    case wroteBefore(String)
    case entryTooLarge(Int)
    /// A change that came without a request id: calls without one are repeated although they may have run.
    case changeWithoutRequestID
}
