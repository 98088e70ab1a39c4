import Identity

/// Asks a user's slot whether a well-signed token still holds.
public struct AuthenticateRequest: Hashable, Sendable, FieldCodable {
    public var userID: UserID
    public var tokenID: UInt64
    /// Whether a gateway session begins with it, which is counted.
    public var beginsSession: Bool

    public init(userID: UserID, tokenID: UInt64, beginsSession: Bool = false) {
        self.userID = userID
        self.tokenID = tokenID
        self.beginsSession = beginsSession
    }

    public func encode(into writer: inout FieldWriter) {
        writer.write(1, userID)
        writer.write(2, fixed: tokenID)
        if beginsSession { writer.write(3, true) }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var userID: UserID?
        var tokenID: UInt64 = 0
        var beginsSession = false
        while let field = try reader.next() {
            switch field.number {
            case 1: userID = try field.id()
            case 2: tokenID = try field.fixed()
            case 3: beginsSession = try field.bool()
            default: break
            }
        }
        self.init(userID: try userID.required(1), tokenID: tokenID, beginsSession: beginsSession)
    }
}

/// The answer: whose token it is, or nothing when it was revoked or never issued.
public struct AuthenticateReply: Hashable, Sendable, FieldCodable {
    public var actor: Actor?
    /// Gateway intents that the application may ask for among the privileged ones; all for user accounts.
    public var allowedPrivilegedIntents: UInt64
    /// A bot's, as far as its slot's primary has counted them.
    public var sessionStarts: SessionStarts?
    /// The session that was to begin is one too many.
    public var isExhausted = false

    public init(actor: Actor?, allowedPrivilegedIntents: UInt64 = 0) {
        self.actor = actor
        self.allowedPrivilegedIntents = allowedPrivilegedIntents
    }

    public func encode(into writer: inout FieldWriter) {
        if let actor { writer.write(1, actor) }
        writer.write(2, allowedPrivilegedIntents)
        if let sessionStarts { writer.write(3, sessionStarts) }
        if isExhausted { writer.write(4, true) }
    }

    public init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        self.init(actor: nil)
        while let field = try reader.next() {
            switch field.number {
            case 1: actor = try field.message()
            case 2: allowedPrivilegedIntents = try field.uint64()
            case 3: sessionStarts = try field.message()
            case 4: isExhausted = try field.bool()
            default: break
            }
        }
    }
}
