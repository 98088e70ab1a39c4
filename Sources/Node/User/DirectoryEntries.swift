import Domain
import Identity
import NIOCore
import Wire

/// The directory's side of unique names: entries in the slot that a name's hash picks (DESIGN §3).
///
/// An entry has an owner from the first claim that finds it free until that owner releases it; nothing else frees it.
struct DirectoryEntries {
    let transaction: any SlotTransaction

    /// The owner of a name.
    func owner(of name: DirectoryName) throws -> UserID? {
        guard let row = try transaction.get(.index, UserKeys.directoryEntry(name)) else { return nil }
        return try Entry(decoding: row).owner
    }

    /// Gives the name to `owner` if it is free or theirs already, and sends the answer to the owner's slot.
    func claim(_ name: DirectoryName, for owner: UserID) throws {
        let holder = try self.owner(of: name)
        if holder == nil {
            transaction.put(.index, UserKeys.directoryEntry(name), Entry(owner: owner).encoded())
        }
        let isGranted = holder == nil || holder == owner
        transaction.send(.nameAnswered(name, owner: owner, isGranted: isGranted), to: owner.slot)
    }

    /// Frees the name if it is `owner`'s.
    func release(_ name: DirectoryName, from owner: UserID) throws {
        guard try self.owner(of: name) == owner else { return }
        transaction.delete(.index, UserKeys.directoryEntry(name))
    }

    private struct Entry: FieldCodable {
        static let formatVersion: UInt64 = 1
        var owner: UserID

        init(owner: UserID) { self.owner = owner }

        func encode(into writer: inout FieldWriter) {
            writer.write(1, Entry.formatVersion)
            writer.write(2, owner)
        }

        init(from reader: FieldReader) throws(FieldError) {
            var reader = reader
            var owner: UserID?
            while let field = try reader.next() {
                switch field.number {
                case 1:
                    guard try field.uint64() <= Entry.formatVersion else { throw .invalidField(1) }
                case 2: owner = try field.id()
                default: break
                }
            }
            self.owner = try owner.required(2)
        }
    }
}
