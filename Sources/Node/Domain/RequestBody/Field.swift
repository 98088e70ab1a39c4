/// A member of a PATCH body: left out means "leave it", `null` means "clear it".
public enum Field<Value> {
    case absent
    case null
    case value(Value)

    /// The value, when there is one.
    public var value: Value? {
        if case .value(let value) = self { value } else { nil }
    }

    public var isPresent: Bool {
        if case .absent = self { false } else { true }
    }

    /// The new value of a property that may be empty: `current` when the field was left out.
    public func applied(to current: Value?) -> Value? {
        switch self {
        case .absent: current
        case .null: nil
        case .value(let value): value
        }
    }

    /// The new value of a property that `null` resets to `fallback`.
    public func applied(to current: Value, resettingTo fallback: Value) -> Value {
        switch self {
        case .absent: current
        case .null: fallback
        case .value(let value): value
        }
    }
}

extension Field: Sendable where Value: Sendable {}
extension Field: Equatable where Value: Equatable {}

/// Only as a member of an object can a field be absent; there ``KeyedDecodingContainer`` decodes it.
extension Field: Decodable where Value: Decodable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        self = container.decodeNil() ? .null : .value(try container.decode(Value.self))
    }
}

extension KeyedDecodingContainer {
    /// Called by synthesized initializers, so that a missing key is ``Field/absent``.
    public func decode<Value: Decodable>(_ type: Field<Value>.Type, forKey key: Key) throws -> Field<Value> {
        guard contains(key) else { return .absent }
        return try decodeNil(forKey: key) ? .null : .value(try decode(Value.self, forKey: key))
    }
}
