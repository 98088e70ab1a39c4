import Configuration
import Foundation

/// Reads typed values, and gathers every problem instead of stopping at the first.
struct SettingsReader {
    private let reader: ConfigReader
    private(set) var problems: [String]

    init(_ source: SettingsSource) {
        reader = source.reader
        problems = source.problems
    }

    mutating func problem(_ key: SettingKey, _ text: String) { problems.append("\(key.rawValue): \(text)") }

    func finish() throws(SettingsFailure) {
        if !problems.isEmpty { throw SettingsFailure(problems: problems) }
    }

    /// The value, without white space around it; `nil` when it is absent or empty.
    func text(_ key: SettingKey) -> String? {
        let value = reader.string(forKey: ConfigKey(key.rawValue))?.trimmingCharacters(in: .whitespaces)
        return value?.isEmpty == true ? nil : value
    }

    /// A list in YAML, or one string with commas.
    func list(_ key: SettingKey) -> [String] {
        let values = reader.stringArray(forKey: ConfigKey(key.rawValue)) ?? text(key).map { [$0] } ?? []
        return values.flatMap { $0.split(separator: ",") }.map { $0.trimmingCharacters(in: .whitespaces) }
            .filter { !$0.isEmpty }
    }

    mutating func required(_ key: SettingKey, _ meaning: String) -> String {
        guard let value = text(key) else {
            problem(key, "missing: \(meaning)")
            return ""
        }
        return value
    }

    mutating func integer(_ key: SettingKey, in range: ClosedRange<Int>, default standard: Int) -> Int {
        guard let value = text(key) else { return standard }
        guard let number = Int(value), range.contains(number) else {
            problem(key, "expected a number from \(range.lowerBound) to \(range.upperBound), got \(value)")
            return standard
        }
        return number
    }

    mutating func port(_ key: SettingKey, default standard: Int = 0) -> Int {
        integer(key, in: 0...65_535, default: standard)
    }

    mutating func boolean(_ key: SettingKey, default standard: Bool) -> Bool {
        switch text(key)?.lowercased() {
        case nil: return standard
        case "true"?, "yes"?, "on"?, "1"?: return true
        case "false"?, "no"?, "off"?, "0"?: return false
        case let value?:
            problem(key, "expected true or false, got \(value)")
            return standard
        }
    }

    mutating func choice<Value: RawRepresentable & CaseIterable>(
        _ key: SettingKey, default standard: Value
    ) -> Value where Value.RawValue == String {
        guard let value = text(key) else { return standard }
        guard let choice = Value(rawValue: value.lowercased()) else {
            problem(key, "expected one of \(Value.allCases.map(\.rawValue).joined(separator: ", ")), got \(value)")
            return standard
        }
        return choice
    }

    /// A number with a unit: `ms`, `s` (the default) or `m`.
    mutating func duration(
        _ key: SettingKey, in range: ClosedRange<Duration>, default standard: Duration
    ) -> Duration {
        guard let value = text(key) else { return standard }
        let digits = value.prefix { $0.isNumber || $0 == "." }
        let factor: Double? =
            switch value[digits.endIndex...].trimmingCharacters(in: .whitespaces) {
            case "ms": 0.001
            case "", "s": 1
            case "m": 60
            default: nil
            }
        guard let number = Double(digits), let factor, number.isFinite, number * factor < 1e9,
            range.contains(.seconds(number * factor))
        else {
            problem(key, "expected a time from \(range.lowerBound) to \(range.upperBound), such as 10s, got \(value)")
            return standard
        }
        return .seconds(number * factor)
    }

    /// A number of bytes with an optional unit: `KiB` or `MiB`.
    mutating func bytes(_ key: SettingKey, in range: ClosedRange<Int>, default standard: Int) -> Int {
        guard let value = text(key) else { return standard }
        let digits = value.prefix { $0.isNumber }
        let factor: Int? =
            switch value[digits.endIndex...].trimmingCharacters(in: .whitespaces) {
            case "": 1
            case "KiB": 1 << 10
            case "MiB": 1 << 20
            default: nil
            }
        guard let number = Int(digits), let factor, number <= Int.max / factor, range.contains(number * factor) else {
            problem(
                key, "expected bytes from \(range.lowerBound) to \(range.upperBound), such as 2MiB, got \(value)")
            return standard
        }
        return number * factor
    }

    mutating func endpoint(_ key: SettingKey, _ meaning: String, isRequired: Bool) -> Endpoint? {
        guard let value = text(key) else {
            if isRequired { problem(key, "missing: \(meaning)") }
            return nil
        }
        guard let endpoint = Endpoint(value) else {
            problem(key, "expected HOST:PORT, got \(value)")
            return nil
        }
        return endpoint
    }
}

/// A host and port to dial, written `host:port` or `[v6]:port`.
public struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    public var host: String
    public var port: Int

    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (1...65_535).contains(port)
        else { return nil }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
        } else if host.contains(":") {
            return nil
        }
        guard !host.isEmpty else { return nil }
        self.init(host: host, port: port)
    }

    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
