import Domain

/// What names, addresses and passwords may be. Each rule gives what is wrong, in Discord's codes and words, or nothing.
enum AccountRules {
    typealias Fault = APIError.FieldFault

    static let usernameLength = 2...32
    static let globalNameLength = 1...32
    /// Discord's own bounds; scrypt takes any length.
    static let passwordLength = 8...72
    /// RFC 5321, 4.5.3.1.3: a path has at most 256 characters with its brackets.
    static let maximumEmailLength = 254
    static let descriptionLength = 0...400

    /// A person's username: lower-case letters, digits, `.` and `_`, without two periods in a row.
    static func username(_ text: String, at field: String = "username") -> Fault? {
        if let fault = length(text, usernameLength, at: field) { return fault }
        let isAllowed = text.utf8.allSatisfy {
            (97...122).contains($0) || (48...57).contains($0) || $0 == 46 || $0 == 95
        }
        guard isAllowed else {
            return Fault(
                path: [field], code: "USERNAME_INVALID_CHARACTERS",
                message: "Please only use lowercase letters, numbers, underscores _, or periods.")
        }
        guard !text.contains("..") else {
            return Fault(
                path: [field], code: "USERNAME_INVALID_PERIODS",
                message: "Usernames may not contain two periods in a row.")
        }
        return nil
    }

    /// A bot's username: any characters but those that mentions are made of, and no space at its ends.
    static func botUsername(_ text: String, at field: String = "username") -> Fault? {
        if let fault = length(text, usernameLength, at: field) { return fault }
        let isAllowed = text.unicodeScalars.allSatisfy {
            $0.value >= 0x20 && $0.value != 0x7f && !["@", "#", ":", "`"].contains($0)
        }
        let isTrimmed = text.first?.isWhitespace == false && text.last?.isWhitespace == false
        guard isAllowed, isTrimmed, !["everyone", "here"].contains(text.lowercased()) else {
            return Fault(
                path: [field], code: "USERNAME_INVALID_CHARACTERS",
                message: "Username contains characters or words that are not allowed.")
        }
        return nil
    }

    static func globalName(_ text: String, at field: String = "global_name") -> Fault? {
        length(text, globalNameLength, at: field)
    }

    static func password(_ text: String, at field: String = "password") -> Fault? {
        length(text, passwordLength, at: field)
    }

    /// A mail address by its outer form; whether it exists, only a mail to it would show.
    static func email(_ text: String, at field: String = "email") -> Fault? {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        let isWellFormed =
            text.utf8.count <= maximumEmailLength && parts.count == 2 && !parts[0].isEmpty
            && parts[0].utf8.count <= 64
            && text.unicodeScalars.allSatisfy {
                $0.value > 0x20 && $0.value != 0x7f && !"<>()[],;:\\\"".unicodeScalars.contains($0)
            }
            && parts[1].split(separator: ".", omittingEmptySubsequences: false).count >= 2
            && parts[1].split(separator: ".", omittingEmptySubsequences: false).allSatisfy { !$0.isEmpty }
        guard isWellFormed else {
            return Fault(
                path: [field], code: "EMAIL_TYPE_INVALID_EMAIL", message: "Not a well formed email address.")
        }
        return nil
    }

    /// A length in code points, as Discord counts.
    static func length(_ text: String, _ range: ClosedRange<Int>, at field: String) -> Fault? {
        guard !range.contains(text.unicodeScalars.count) else { return nil }
        return Fault(
            path: [field], code: "BASE_TYPE_BAD_LENGTH",
            message: "Must be between \(range.lowerBound) and \(range.upperBound) in length.")
    }

    // MARK: Faults that the rows tell

    static func refused(_ claim: Account.Claim) -> Fault {
        switch claim.kind {
        case .username:
            Fault(
                path: ["username"], code: "USERNAME_ALREADY_TAKEN",
                message: "Username is unavailable. Try adding numbers, letters, underscores _, or periods.")
        case .email:
            Fault(path: ["email"], code: "EMAIL_ALREADY_REGISTERED", message: "Email is already registered.")
        }
    }

    static let wrongPassword = APIError.invalidForm(
        "password", code: "PASSWORD_DOES_NOT_MATCH", message: "Password does not match.")

    /// One answer for an unknown name and a wrong password.
    static let invalidLogin = APIError.invalidForm(
        ["login", "password"].map {
            Fault(path: [$0], code: "INVALID_LOGIN", message: "Login or password is invalid.")
        })
}
