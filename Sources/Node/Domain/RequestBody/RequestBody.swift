import Foundation
import NIOCore

/// Decodes JSON bodies of requests into the types of the operations, with Discord's errors for what does not fit.
public enum RequestBody {
    /// How deep arrays and objects may nest. Discord's deepest body, components in a message, stays far below it.
    public static let maximumDepth = 32

    /// Decodes `body`; an empty one counts as `{}`.
    ///
    /// - Throws: ``APIError/invalidJSON`` for what is not JSON, code 50035 for what is not a `Body`.
    public static func decode<Body: Decodable>(_ type: Body.Type, from body: ByteBuffer) throws(APIError) -> Body {
        guard isAcceptable(body) else { throw .invalidJSON }
        let data = body.readableBytes == 0 ? Data("{}".utf8) : Data(body.readableBytesView)
        do {
            return try JSONDecoder().decode(type, from: data)
        } catch let error as DecodingError {
            throw apiError(for: error, in: data)
        } catch let error as APIError {
            throw error
        } catch {
            throw .invalidJSON
        }
    }

    /// Whether no place is nested deeper than ``maximumDepth``, and no comma stands before a closing bracket, which the
    /// decoder would let pass; found by one pass that allocates nothing.
    static func isAcceptable(_ body: ByteBuffer) -> Bool {
        body.withUnsafeReadableBytes { bytes in
            var depth = 0
            var isAfterComma = false
            var isInString = false
            var isEscaped = false
            for byte in bytes {
                if isInString {
                    if isEscaped {
                        isEscaped = false
                    } else if byte == UInt8(ascii: "\\") {
                        isEscaped = true
                    } else if byte == UInt8(ascii: "\"") {
                        isInString = false
                    }
                    continue
                }
                switch byte {
                case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"): continue
                case UInt8(ascii: "]"), UInt8(ascii: "}"):
                    guard !isAfterComma else { return false }
                    depth -= 1
                case UInt8(ascii: "\""): isInString = true
                case UInt8(ascii: "{"), UInt8(ascii: "["):
                    depth += 1
                    if depth > maximumDepth { return false }
                default: break
                }
                isAfterComma = byte == UInt8(ascii: ",")
            }
            return true
        }
    }

    private static func apiError(for error: DecodingError, in data: Data) -> APIError {
        switch error {
        case .keyNotFound(let key, let context):
            return .invalidForm([.required(path(context.codingPath + [key]))])
        case .valueNotFound(_, let context):
            return .invalidForm([.required(path(context.codingPath))])
        case .typeMismatch(let type, let context):
            return .invalidForm([.mismatch(path(context.codingPath), expected: type)])
        case .dataCorrupted(let context):
            // The parser's own complaints have no place in the body; nor has that of a number that does not fit.
            guard !context.codingPath.isEmpty else { return unfitNumber(in: data) ?? .invalidJSON }
            return .invalidForm([
                APIError.FieldFault(
                    path: path(context.codingPath), code: "NUMBER_TYPE_COERCE",
                    message: "Value is invalid: \(context.debugDescription).")
            ])
        @unknown default:
            return .invalidJSON
        }
    }

    /// The error for a body that is JSON, and so holds a number that its field cannot: a fraction, a negative one, or
    /// one beyond 64 bits. The decoder does not say which; where there is only one such number, it is named.
    private static func unfitNumber(in data: Data) -> APIError? {
        guard let root = try? JSONSerialization.jsonObject(with: data, options: .fragmentsAllowed) else { return nil }
        var found: [[String]] = []
        func search(_ value: Any, _ path: [String]) {
            if let object = value as? [String: Any] {
                for (name, member) in object { search(member, path + [name]) }
            } else if let array = value as? [Any] {
                for (index, element) in array.enumerated() { search(element, path + ["\(index)"]) }
            } else if let number = value as? NSNumber {
                let double = number.doubleValue
                if double < 0 || double != double.rounded() || double >= 0x1p63 { found.append(path) }
            }
        }
        search(root, [])
        return .invalidForm([
            APIError.FieldFault(
                path: found.count == 1 ? found[0] : [], code: "NUMBER_TYPE_COERCE", message: "Value is not int.")
        ])
    }

    private static func path(_ keys: [any CodingKey]) -> [String] {
        keys.map { key in key.intValue.map(String.init) ?? key.stringValue }
    }
}

extension APIError.FieldFault {
    /// The field is missing, or `null` where a value is needed.
    public static func required(_ path: [String]) -> Self {
        Self(path: path, code: "BASE_TYPE_REQUIRED", message: "This field is required")
    }

    /// The field has another JSON type than `expected`.
    static func mismatch(_ path: [String], expected: any Any.Type) -> Self {
        switch expected {
        case is any BinaryInteger.Type:
            Self(path: path, code: "NUMBER_TYPE_COERCE", message: "Value is not int.")
        case is any BinaryFloatingPoint.Type:
            Self(path: path, code: "FLOAT_TYPE_COERCE", message: "Value is not float.")
        case is Bool.Type:
            Self(path: path, code: "BOOLEAN_TYPE_CONVERT", message: "Must be either true or false.")
        case is String.Type:
            Self(path: path, code: "STRING_TYPE_CONVERT", message: "Could not interpret the value as string.")
        case is [Any].Type:
            Self(path: path, code: "LIST_TYPE_CONVERT", message: "Only iterables may be used in a ListType")
        default:
            Self(path: path, code: "MODEL_TYPE_CONVERT", message: "Only dictionaries may be used in a ModelType")
        }
    }
}
