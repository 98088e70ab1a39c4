import Crypto
import CryptoExtras
import Foundation
import Wire

/// A password's scrypt hash (RFC 7914) with its salt and cost, so that the cost can rise for new passwords alone.
///
/// Hashing takes some tenths of a second and ``Cost/standard`` 16 MiB: only off the executors (`Outcome.offload`).
struct PasswordHash: Hashable, Sendable, FieldCodable {
    /// What a guess costs.
    struct Cost: Hashable, Sendable {
        /// N: a power of two.
        var rounds: Int
        /// r.
        var blockSize: Int
        /// p.
        var parallelism: Int

        /// OWASP's "Password Storage Cheat Sheet" names this among its equally strong settings; it is the one whose
        /// memory (128·N·r = 16 MiB) lets several log-ins run at once on a small machine.
        static let standard = Cost(rounds: 1 << 14, blockSize: 8, parallelism: 5)
    }

    static let saltLength = 16
    static let digestLength = 32

    /// A hash that no password has, checked for accounts that are not there or have no password, so that the work of a
    /// log-in does not tell which exist.
    static var nobodys: PasswordHash {
        PasswordHash(
            cost: newCost, salt: [UInt8](repeating: 0, count: saltLength),
            digest: [UInt8](repeating: 0, count: digestLength))
    }

    /// What new hashes cost; tests that are not about hashing make it cheap.
    @TaskLocal static var newCost = Cost.standard

    /// The work of one hash.
    struct Derivation: Hashable, Sendable {
        var cost: Cost
        var saltLength: Int
        var digestLength: Int
    }

    /// Told of every hash that the present task computes: tests compare the work of log-ins.
    @TaskLocal static var observer: (@Sendable (Derivation) -> Void)?

    var cost: Cost
    var salt: [UInt8]
    var digest: [UInt8]

    private init(cost: Cost, salt: [UInt8], digest: [UInt8]) {
        self.cost = cost
        self.salt = salt
        self.digest = digest
    }

    /// Hashes `password`.
    ///
    /// - Parameter salt: two words of random bits.
    init(of password: String, salt: (UInt64, UInt64), cost: Cost = newCost) throws {
        let bytes = [salt.0, salt.1].flatMap { word in
            stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> UInt64($0)) }
        }
        self.init(
            cost: cost, salt: bytes, digest: try Self.derive(password, salt: bytes, cost: cost))
    }

    /// Whether `password` is the one; the time does not depend on where the digests differ.
    func matches(_ password: String) throws -> Bool {
        let other = try Self.derive(password, salt: salt, cost: cost)
        guard other.count == digest.count else { return false }
        return zip(other, digest).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }

    /// A password's bytes: composed characters and their decomposed forms are one password.
    private static func derive(_ password: String, salt: [UInt8], cost: Cost) throws -> [UInt8] {
        observer?(Derivation(cost: cost, saltLength: salt.count, digestLength: digestLength))
        let key = try KDF.Scrypt.deriveKey(
            from: Data(password.precomposedStringWithCompatibilityMapping.utf8), salt: salt,
            outputByteCount: digestLength, rounds: cost.rounds, blockSize: cost.blockSize,
            parallelism: cost.parallelism)
        return key.withUnsafeBytes { Array($0) }
    }

    func encode(into writer: inout FieldWriter) {
        writer.write(1, cost.rounds)
        writer.write(2, cost.blockSize)
        writer.write(3, cost.parallelism)
        writer.write(4, salt)
        writer.write(5, digest)
    }

    init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var cost = Cost.standard
        var salt: [UInt8]?
        var digest: [UInt8]?
        while let field = try reader.next() {
            switch field.number {
            case 1: cost.rounds = try field.int()
            case 2: cost.blockSize = try field.int()
            case 3: cost.parallelism = try field.int()
            case 4: salt = Array(try field.bytes().readableBytesView)
            case 5: digest = Array(try field.bytes().readableBytesView)
            default: break
            }
        }
        self.init(cost: cost, salt: try salt.required(4), digest: try digest.required(5))
    }
}
