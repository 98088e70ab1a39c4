import Domain
import Identity
import NIOCore

/// An embed as a client sends it (Discord, "Embed object"; RichEmbed of the OpenAPI document).
struct Embed: Decodable, Sendable {
    struct Author: Decodable, Sendable {
        var name: String?
        var url: String?
        var iconURL: String?

        enum CodingKeys: String, CodingKey {
            case name, url
            case iconURL = "icon_url"
        }
    }

    struct Footer: Decodable, Sendable {
        var text: String?
        var iconURL: String?

        enum CodingKeys: String, CodingKey {
            case text
            case iconURL = "icon_url"
        }
    }

    struct Image: Decodable, Sendable {
        var url: String?
    }

    struct Field: Decodable, Sendable {
        var name: String
        var value: String
        var inline: Bool?
    }

    var title: String?
    var description: String?
    var url: String?
    var timestamp: String?
    var color: Int?
    var author: Author?
    var footer: Footer?
    var image: Image?
    var thumbnail: Image?
    var fields: [Field]?

    /// Discord's limits (its "Embed limits").
    enum Limit {
        static let count = 10
        static let title = 256
        static let description = 4096
        static let fields = 25
        static let fieldName = 256
        static let fieldValue = 1024
        static let footer = 2048
        static let author = 256
        static let url = 2048
        static let color = 0xff_ffff
        /// Characters of all texts of all embeds of a message.
        static let total = 6000
    }
}

// MARK: Rules

extension Embed {
    /// Checks a message's embeds; the faults go under `embeds`.
    static func validate(_ embeds: [Embed], in validation: inout Validation) {
        validation.count(embeds.count, in: 0...Limit.count, at: "embeds")
        guard embeds.count <= Limit.count else { return }
        for (position, embed) in embeds.enumerated() {
            embed.validate(at: ["embeds", String(position)], in: &validation)
        }
        guard embeds.reduce(0, { $0 + $1.length }) <= Limit.total else {
            validation.fail(
                at: "embeds", code: "MAX_EMBED_SIZE_EXCEEDED",
                message: "Embed size exceeds maximum size of \(Limit.total)")
            return
        }
    }

    /// What counts towards ``Limit/total``.
    private var length: Int {
        let texts = [title, description, footer?.text, author?.name]
        let own = texts.reduce(0) { $0 + ($1?.unicodeScalars.count ?? 0) }
        return (fields ?? []).reduce(own) { $0 + $1.name.unicodeScalars.count + $1.value.unicodeScalars.count }
    }

    private var isEmpty: Bool {
        [title, description, footer?.text, author?.name, image?.url, thumbnail?.url].allSatisfy { $0?.isEmpty ?? true }
            && (fields ?? []).isEmpty
    }

    private func validate(at path: [String], in validation: inout Validation) {
        if isEmpty {
            validation.fail(at: path + ["description"], code: "BASE_TYPE_REQUIRED", message: "This field is required")
        }
        validation.length(title, in: 0...Limit.title, at: path + ["title"])
        validation.length(description, in: 0...Limit.description, at: path + ["description"])
        validation.length(footer?.text, in: 0...Limit.footer, at: path + ["footer", "text"])
        validation.length(author?.name, in: 0...Limit.author, at: path + ["author", "name"])
        let addresses: [(String?, [String])] = [
            (url, ["url"]), (author?.url, ["author", "url"]),
            (author?.iconURL, ["author", "icon_url"]), (footer?.iconURL, ["footer", "icon_url"]),
            (image?.url, ["image", "url"]), (thumbnail?.url, ["thumbnail", "url"]),
        ]
        for (address, name) in addresses { Self.validate(address: address, at: path + name, in: &validation) }
        if let color, !(0...Limit.color).contains(color) {
            validation.fail(
                at: path + ["color"], code: color < 0 ? "NUMBER_TYPE_MIN" : "NUMBER_TYPE_MAX",
                message: "int value should be between 0 and \(Limit.color).")
        }
        if let timestamp, !timestamp.isEmpty, Timestamp(iso8601: timestamp) == nil {
            validation.fail(
                at: path + ["timestamp"], code: "DATE_TIME_TYPE_PARSE",
                message: "Could not parse \(timestamp.prefix(64)). Should be ISO8601.")
        }
        guard let fields else { return }
        if fields.count > Limit.fields {
            validation.fail(
                at: path + ["fields"], code: "BASE_TYPE_MAX_LENGTH",
                message: "Must be \(Limit.fields) or fewer in length.")
            return
        }
        for (position, field) in fields.enumerated() {
            let place = path + ["fields", String(position)]
            Self.validate(field.name, upTo: Limit.fieldName, at: place + ["name"], in: &validation)
            Self.validate(field.value, upTo: Limit.fieldValue, at: place + ["value"], in: &validation)
        }
    }

    /// A field's name and value are required and may not be empty.
    private static func validate(_ text: String, upTo limit: Int, at path: [String], in validation: inout Validation) {
        if text.isEmpty {
            validation.fail(at: path, code: "BASE_TYPE_REQUIRED", message: "This field is required")
        } else {
            validation.length(text, in: 0...limit, at: path)
        }
    }

    private static func validate(address: String?, at path: [String], in validation: inout Validation) {
        guard let address, !address.isEmpty else { return }
        validation.length(address, in: 0...Limit.url, at: path)
        let scheme = address.prefix { $0 != ":" }
        guard ["http", "https"].contains(scheme.lowercased()) else {
            validation.fail(
                at: path, code: "URL_TYPE_INVALID_SCHEME",
                message: "Scheme \"\(scheme.prefix(32))\" is not supported. Scheme must be one of ('http', 'https').")
            return
        }
        let rest = address.dropFirst(scheme.count)
        let isWellFormed =
            rest.hasPrefix("://") && rest.dropFirst(3).first.map { $0 != "/" && $0 != "?" && $0 != "#" } ?? false
            && address.unicodeScalars.allSatisfy { $0.value > 0x20 && $0 != "\"" && $0 != "<" && $0 != ">" }
        if !isWellFormed {
            validation.fail(at: path, code: "URL_TYPE_INVALID_URL", message: "Not a well formed URL.")
        }
    }
}

// MARK: The form that clients get

extension Embed {
    /// The embeds as a JSON array of MessageEmbedResponse; `nil` for none.
    static func json(_ embeds: [Embed]) -> ByteBuffer? {
        guard !embeds.isEmpty else { return nil }
        var writer = JSONWriter()
        writer.array { json in for embed in embeds { embed.write(to: &json) } }
        return writer.buffer
    }

    private func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("type", "rich")
            json.member("title", ifNotEmpty: title)
            json.member("description", ifNotEmpty: description)
            json.member("url", ifNotEmpty: url)
            if let timestamp = timestamp.flatMap({ Timestamp(iso8601: $0) }) { json.member("timestamp", timestamp) }
            if let color { json.member("color", color) }
            if let author, let name = author.name, !name.isEmpty {
                json.member(
                    "author",
                    object: {
                        $0.member("name", name)
                        $0.member("url", ifNotEmpty: author.url)
                        $0.member("icon_url", ifNotEmpty: author.iconURL)
                    })
            }
            if let footer, let text = footer.text, !text.isEmpty {
                json.member(
                    "footer",
                    object: {
                        $0.member("text", text)
                        $0.member("icon_url", ifNotEmpty: footer.iconURL)
                    })
            }
            if let url = image?.url, !url.isEmpty { json.member("image", object: { Self.image(url, to: &$0) }) }
            if let url = thumbnail?.url, !url.isEmpty {
                json.member("thumbnail", object: { Self.image(url, to: &$0) })
            }
            if let fields, !fields.isEmpty {
                json.member(
                    "fields",
                    array: { json in
                        for field in fields {
                            json.object {
                                $0.member("name", field.name)
                                $0.member("value", field.value)
                                $0.member("inline", field.inline ?? false)
                            }
                        }
                    })
            }
        }
    }

    /// The image is not fetched: its size is unknown, which 0 says.
    private static func image(_ url: String, to json: inout JSONWriter) {
        json.member("url", url)
        json.member("width", 0)
        json.member("height", 0)
    }
}

extension JSONWriter {
    fileprivate mutating func member(_ name: StaticString, ifNotEmpty text: String?) {
        if let text, !text.isEmpty { member(name, text) }
    }
}
