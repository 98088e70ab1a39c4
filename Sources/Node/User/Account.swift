import Identity
import Wire

/// A user's account, human or bot, as its row in family `user` holds it.
///
/// A new account is `pending` until the directory has granted all its names (DESIGN §3). A name it asks for, at
/// registration or for a rename, stands in ``claims`` until the answer comes; names held are ``username`` and
/// ``email``.
struct Account: Hashable, Sendable, FieldCodable {
    /// The version of this encoding.
    static let formatVersion: UInt64 = 1

    enum State: UInt64, Sendable {
        case pending = 1
        case active = 2
        /// A name was refused; the row goes when the one who registers has been told.
        case denied = 3
    }

    /// A name that the directory was asked for.
    struct Claim: Hashable, Sendable {
        var kind: DirectoryName.Kind
        /// As it was typed: a bot's name keeps its capitals, although the directory does not tell them apart.
        var text: String

        var name: DirectoryName {
            switch kind {
            case .username: .username(text)
            case .email: .email(text)
            }
        }
    }

    var id: UserID
    var state: State
    var username: String
    var globalName: String?
    var email: String?
    /// Absent for bots and for accounts that an operator made without one: they cannot log in.
    var password: PasswordHash?
    /// Discord's user flags; the public ones among them show in partial user objects.
    var flags: UInt64 = 0
    var created: Timestamp
    var isBot = false
    /// The bot's owner; absent for human accounts, and for bots that belong to the operator.
    var owner: UserID?
    var locale = Account.defaultLocale
    /// See ``UserProfile/version``.
    var version: UInt64 = 1
    /// Names asked for and not yet answered.
    var claims: [Claim] = []
    /// Names whose refusal made the account `denied`, or that an active one asked for last and did not get.
    var refusals: [Claim] = []
    /// Names granted while others of ``claims`` are unanswered.
    var grants: [Claim] = []

    static let defaultLocale = "en-US"
    /// Flags that partial user objects show: those below 2^23 but for the ones only the account itself sees.
    static let publicFlagsMask: UInt64 = 0x7f_ffff

    init(id: UserID, state: State, username: String, created: Timestamp) {
        self.id = id
        self.state = state
        self.username = username
        self.created = created
    }

    var profile: UserProfile {
        UserProfile(
            id: id, username: username, globalName: globalName, isBot: isBot,
            publicFlags: flags & Account.publicFlagsMask, version: version)
    }

    func holds(_ name: DirectoryName) -> Bool {
        switch name.kind {
        case .username: DirectoryName.username(username) == name
        case .email: email.map { DirectoryName.email($0) == name } ?? false
        }
    }

    func encode(into writer: inout FieldWriter) {
        writer.write(1, Account.formatVersion)
        writer.write(2, id)
        writer.write(3, state.rawValue)
        writer.write(4, username)
        writer.write(5, ifPresent: globalName)
        writer.write(6, ifPresent: email)
        if let password { writer.write(7, password) }
        if flags != 0 { writer.write(8, flags) }
        writer.write(9, created)
        if isBot { writer.write(10, true) }
        writer.write(11, ifPresent: owner)
        if locale != Account.defaultLocale { writer.write(12, locale) }
        writer.write(13, version)
        for claim in claims { writer.write(14, claim) }
        for claim in refusals { writer.write(15, claim) }
        for claim in grants { writer.write(16, claim) }
    }

    init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var id: UserID?
        var state: State?
        self.init(id: UserID(rawValue: 0), state: .pending, username: "", created: Timestamp(milliseconds: 0))
        while let field = try reader.next() {
            switch field.number {
            case 1:
                guard try field.uint64() <= Account.formatVersion else { throw .invalidField(1) }
            case 2: id = try field.id()
            case 3: state = State(rawValue: try field.uint64())
            case 4: username = try field.string()
            case 5: globalName = try field.string()
            case 6: email = try field.string()
            case 7: password = try field.message()
            case 8: flags = try field.uint64()
            case 9: created = try field.timestamp()
            case 10: isBot = try field.bool()
            case 11: owner = try field.id()
            case 12: locale = try field.string()
            case 13: version = try field.uint64()
            case 14: claims.append(try field.message())
            case 15: refusals.append(try field.message())
            case 16: grants.append(try field.message())
            default: break
            }
        }
        self.id = try id.required(2)
        self.state = try state.required(3)
    }
}

extension Account.Claim: FieldCodable {
    func encode(into writer: inout FieldWriter) {
        writer.write(1, kind.rawValue)
        writer.write(2, text)
    }

    init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var kind: DirectoryName.Kind?
        var text: String?
        while let field = try reader.next() {
            switch field.number {
            case 1: kind = DirectoryName.Kind(rawValue: try field.uint64())
            case 2: text = try field.string()
            default: break
            }
        }
        self.init(kind: try kind.required(1), text: try text.required(2))
    }
}
