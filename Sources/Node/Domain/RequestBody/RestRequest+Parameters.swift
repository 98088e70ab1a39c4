import Identity
import Wire

/// Typed access to the parameters of a request's path and query.
extension RestRequest {
    /// An id in the path.
    ///
    /// - Throws: code 50035 when it is not a snowflake, as Discord does.
    public func pathID<Kind>(_ name: String, _: Kind.Type = Kind.self) throws(APIError) -> EntityID<Kind> {
        let text = parameters[name] ?? ""
        guard let id = EntityID<Kind>(text) else { throw .notSnowflake(name, text) }
        return id
    }

    /// The first value of a query parameter.
    public func queryText(_ name: String) -> String? {
        query.first { $0.name == name }?.value
    }

    public func queryID<Kind>(_ name: String, _: Kind.Type = Kind.self) throws(APIError) -> EntityID<Kind>? {
        guard let text = queryText(name) else { return nil }
        guard let id = EntityID<Kind>(text) else { throw .notSnowflake(name, text) }
        return id
    }

    /// A number within `range`.
    public func queryInteger(_ name: String, in range: ClosedRange<Int>, default fallback: Int) throws(APIError) -> Int
    {
        guard let text = queryText(name) else { return fallback }
        guard let value = Int(text) else {
            throw .invalidForm(name, code: "NUMBER_TYPE_COERCE", message: "Value \"\(text.prefix(64))\" is not int.")
        }
        var validation = Validation()
        validation.number(value, in: range, at: name)
        try validation.finish()
        return value
    }

    /// `true` for `true` and `1` in any case, `false` for `false` and `0`.
    public func queryBool(_ name: String, default fallback: Bool = false) throws(APIError) -> Bool {
        guard let text = queryText(name) else { return fallback }
        switch text.lowercased() {
        case "true", "1": return true
        case "false", "0": return false
        default:
            throw .invalidForm(name, code: "BOOLEAN_TYPE_CONVERT", message: "Must be either true or false.")
        }
    }

    /// - Throws: ``APIError/unauthorized`` when the request came without a token.
    public func requiredActor() throws(APIError) -> Actor {
        guard let actor else { throw .unauthorized }
        return actor
    }

    /// - Throws: as ``RequestBody/decode(_:from:)``.
    public func decodeBody<Body: Decodable>(_ type: Body.Type = Body.self) throws(APIError) -> Body {
        try RequestBody.decode(type, from: body)
    }
}

extension APIError {
    static func notSnowflake(_ name: String, _ text: String) -> APIError {
        .invalidForm(name, code: "NUMBER_TYPE_COERCE", message: "Value \"\(text.prefix(64))\" is not snowflake.")
    }
}
