import Foundation

/// Discord's OpenAPI document, as far as it says what answers look like: required members, types, choices.
///
/// Read from `$DISCORD_OPENAPI`, else from `../shared/discord/openapi.json`; without it answers go unchecked here, and
/// the end-to-end tests say so.
final class ResponseSchema: @unchecked Sendable {
    // Sendable: parsed once, and nothing writes to it after.
    private let document: [String: Any]
    private var operations: [String: [String: Any]] = [:]

    static let shared: ResponseSchema? = {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let path =
            ProcessInfo.processInfo.environment["DISCORD_OPENAPI"].map { URL(fileURLWithPath: $0) }
            ?? root.deletingLastPathComponent().appendingPathComponent("shared/discord/openapi.json")
        guard let data = try? Data(contentsOf: path),
            let document = try? JSONSerialization.jsonObject(with: data) as? [String: Any]
        else { return nil }
        return ResponseSchema(document)
    }()

    private init(_ document: [String: Any]) {
        self.document = document
        let paths = document["paths"] as? [String: [String: Any]] ?? [:]
        for (_, methods) in paths {
            for case let operation as [String: Any] in methods.values {
                if let name = operation["operationId"] as? String { operations[name] = operation }
            }
        }
    }

    /// What an answer lacks; nothing for operations that the document does not have.
    func faults(of json: Any, operation: String, status: Int) -> [String] {
        guard let operation = operations[operation] else { return [] }
        let responses = operation["responses"] as? [String: [String: Any]] ?? [:]
        let content = responses["\(status)"]?["content"] as? [String: [String: Any]]
        guard let schema = content?["application/json"]?["schema"] as? [String: Any] else {
            return ["no answer with a body and status \(status)"]
        }
        return faults(of: json, schema, at: "$")
    }

    /// What `json` lacks of a component such as `GuildResponse`.
    func faults(of json: Any, component: String) -> [String] {
        faults(of: json, ["$ref": "#/components/schemas/\(component)"], at: "$")
    }

    private func faults(of json: Any, _ schema: [String: Any], at path: String) -> [String] {
        if let reference = schema["$ref"] as? String {
            let name = reference.split(separator: "/").last.map(String.init) ?? ""
            let schemas = (document["components"] as? [String: Any])?["schemas"] as? [String: [String: Any]]
            guard let target = schemas?[name] else { return ["\(path): no schema \(name)"] }
            return faults(of: json, target, at: path)
        }
        var faults: [String] = []
        for key in ["oneOf", "anyOf"] {
            guard let choices = schema[key] as? [[String: Any]] else { continue }
            let tried = choices.map { self.faults(of: json, $0, at: path) }
            if !tried.contains(where: \.isEmpty) {
                faults.append("\(path): none of \(key): \(tried.min { $0.count < $1.count } ?? [])")
            }
        }
        if let type = schema["type"] {
            let types = type as? [String] ?? [type as? String ?? ""]
            if !types.contains(where: { Self.matches(json, $0) }) { return ["\(path): \(json) is not \(types)"] }
        }
        if let constant = schema["const"], !Self.isEqual(constant, json) { faults.append("\(path): not \(constant)") }
        if let choices = schema["enum"] as? [Any], !choices.contains(where: { Self.isEqual($0, json) }) {
            faults.append("\(path): \(json) is not among \(choices)")
        }
        if let object = json as? [String: Any] {
            for name in schema["required"] as? [String] ?? [] where object[name] == nil {
                faults.append("\(path).\(name) is missing")
            }
            for (name, property) in schema["properties"] as? [String: [String: Any]] ?? [:] {
                if let value = object[name] { faults += self.faults(of: value, property, at: "\(path).\(name)") }
            }
        }
        if let array = json as? [Any], let items = schema["items"] as? [String: Any] {
            for (index, element) in array.enumerated() {
                faults += self.faults(of: element, items, at: "\(path)[\(index)]")
            }
        }
        return faults
    }

    private static func isEqual(_ left: Any, _ right: Any) -> Bool {
        (left as? NSObject)?.isEqual(right) ?? false
    }

    private static func matches(_ json: Any, _ type: String) -> Bool {
        switch type {
        case "null": json is NSNull
        case "object": json is [String: Any]
        case "array": json is [Any]
        case "string": json is String
        case "boolean": isBoolean(json)
        case "integer": !isBoolean(json) && json is Int
        case "number": !isBoolean(json) && json is NSNumber
        default: false
        }
    }

    /// A JSON `true` is encoded as a C boolean or character, a number never.
    private static func isBoolean(_ json: Any) -> Bool {
        guard let number = json as? NSNumber else { return json is Bool }
        return ["B", "c"].contains(String(cString: number.objCType))
    }
}
