import Domain
import Foundation
import Identity

/// An id in a body that may name things of several kinds, or that the client made up.
typealias Snowflake64 = EntityID<AnyKind>

/// The tag of ``Snowflake64``; never instantiated.
enum AnyKind {}

/// A permission overwrite as bodies carry it.
struct OverwriteBody: Decodable {
    var id: Snowflake64
    /// 0 a role, 1 a member.
    var type: Int?
    var allow: Permissions?
    var deny: Permissions?
}

extension String {
    /// Without white space at its ends, as Discord takes names.
    var trimmed: String { trimmingCharacters(in: .whitespacesAndNewlines) }
}

/// Discord's locales.
enum Locales {
    static let all = [
        "ar", "bg", "cs", "da", "de", "el", "en-GB", "en-US", "es-419", "es-ES", "fi", "fr", "he", "hi", "hr", "hu",
        "id", "it", "ja", "ko", "lt", "nl", "no", "pl", "pt-BR", "ro", "ru", "sv-SE", "th", "tr", "uk", "vi", "zh-CN",
        "zh-TW",
    ]
}
