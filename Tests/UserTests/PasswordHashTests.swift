import Testing

@testable import User

@Suite struct PasswordHashTests {
    let cost = PasswordHash.Cost(rounds: 16, blockSize: 1, parallelism: 1)

    @Test func `the password matches its hash and another does not`() throws {
        let hash = try PasswordHash(of: "correct horse", salt: (1, 2), cost: cost)
        #expect(try hash.matches("correct horse"))
        #expect(try !hash.matches("correct horsf"))
        #expect(try !hash.matches(""))
    }

    @Test func `a stored hash is checked with the cost that it was made with`() throws {
        let hash = try PasswordHash(decoding: PasswordHash(of: "correct horse", salt: (1, 2), cost: cost).encoded())
        #expect(hash.cost == cost)
        #expect(try hash.matches("correct horse"))
    }

    @Test func `a new hash costs what OWASP asks for, a nobody's hash too`() {
        #expect(PasswordHash.newCost == PasswordHash.Cost(rounds: 16384, blockSize: 8, parallelism: 5))
        #expect(PasswordHash.nobodys.cost == .standard)
    }

    @Test func `the salt makes equal passwords' hashes differ`() throws {
        let first = try PasswordHash(of: "correct horse", salt: (1, 2), cost: cost)
        let second = try PasswordHash(of: "correct horse", salt: (1, 3), cost: cost)
        #expect(first.digest != second.digest)
    }

    @Test func `composed and decomposed characters are one password`() throws {
        let hash = try PasswordHash(of: "caf\u{e9} creme", salt: (1, 2), cost: cost)
        #expect(try hash.matches("cafe\u{301} creme"))
    }
}
