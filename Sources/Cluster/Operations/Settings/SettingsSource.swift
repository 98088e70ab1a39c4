import Configuration
import Foundation
import SystemPackage
import Yams

/// The layers that settings are read from: command line, environment, file.
public struct SettingsSource: Sendable {
    /// The largest configuration file read, in bytes.
    public static let maximumFileSize = 1 << 20

    let reader: ConfigReader
    /// Names of no setting, wherever they stand.
    let problems: [String]

    /// - Parameters:
    ///   - file: the YAML file; `nil` for none.
    ///   - environment: of its variables, those with our prefix count.
    ///   - overrides: `key=value`, from `--set` and from flags; later ones win.
    /// - Throws: when the file cannot be read or is not a YAML mapping.
    public init(
        file: String?, environment: [String: String] = ProcessInfo.processInfo.environment, overrides: [String] = []
    ) async throws(SettingsFailure) {
        var problems: [String] = []
        var providers: [any ConfigProvider] = []
        providers.append(SettingsSource.commandLine(overrides, &problems))
        providers.append(SettingsSource.environment(environment, &problems))
        if let file {
            let text = try SettingsSource.read(file)
            problems += try SettingsSource.unknownKeys(in: text, of: file)
            do {
                providers.append(try await FileProvider<YAMLSnapshot>(filePath: FilePath(file)))
            } catch {
                throw SettingsFailure(problems: ["\(file): \(error)"])
            }
        }
        reader = ConfigReader(providers: providers)
        self.problems = problems
    }

    private static func commandLine(_ overrides: [String], _ problems: inout [String]) -> InMemoryProvider {
        var values: [AbsoluteConfigKey: ConfigValue] = [:]
        for override in overrides {
            guard let equals = override.firstIndex(of: "="), equals > override.startIndex else {
                problems.append("--set \(override): expected KEY=VALUE")
                continue
            }
            let name = String(override[..<equals])
            guard SettingKey(rawValue: name) != nil else {
                problems.append("--set \(name): no such setting" + suggestion(name))
                continue
            }
            let value = String(override[override.index(after: equals)...])
            values[AbsoluteConfigKey(ConfigKey(name))] = ConfigValue(.string(value), isSecret: false)
        }
        return InMemoryProvider(name: "command line", values: values)
    }

    private static func environment(
        _ environment: [String: String], _ problems: inout [String]
    ) -> EnvironmentVariablesProvider {
        let known = Set(SettingKey.allCases.map(\.environmentVariable))
        var ours: [String: String] = [:]
        for (name, value) in environment where name.hasPrefix(SettingKey.environmentPrefix) {
            if known.contains(name) {
                ours[String(name.dropFirst(SettingKey.environmentPrefix.count))] = value
            } else {
                problems.append("environment variable \(name): names no setting")
            }
        }
        problems.sort()
        return EnvironmentVariablesProvider(environmentVariables: ours)
    }

    private static func read(_ file: String) throws(SettingsFailure) -> String {
        do {
            let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: file))
            defer { try? handle.close() }
            let data = try handle.read(upToCount: maximumFileSize + 1) ?? Data()
            guard data.count <= maximumFileSize else {
                throw SettingsFailure(problems: ["\(file): larger than \(maximumFileSize) bytes"])
            }
            guard let text = String(data: data, encoding: .utf8) else {
                throw SettingsFailure(problems: ["\(file): not UTF-8"])
            }
            return text
        } catch let failure as SettingsFailure {
            throw failure
        } catch {
            throw SettingsFailure(problems: ["\(file): cannot be read: \(error.localizedDescription)"])
        }
    }

    /// The configuration library takes what it is asked for and ignores the rest; a misspelt key would silently do
    /// nothing.
    private static func unknownKeys(in text: String, of file: String) throws(SettingsFailure) -> [String] {
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            throw SettingsFailure(problems: ["\(file): \(error)"])
        }
        guard let root else { return [] }
        guard case .mapping(let mapping) = root else {
            throw SettingsFailure(problems: ["\(file): the top level is not a mapping of settings"])
        }
        var problems: [String] = []
        func visit(_ mapping: Node.Mapping, _ prefix: String) {
            for (key, value) in mapping {
                let name = prefix + (key.string ?? "?")
                if SettingKey(rawValue: name) != nil { continue }
                if case .mapping(let inner) = value, isPrefix(name) {
                    visit(inner, name + ".")
                } else {
                    let line = key.mark.map { ":\($0.line)" } ?? ""
                    problems.append("\(file)\(line): \(name): no such setting" + suggestion(name))
                }
            }
        }
        visit(mapping, "")
        return problems
    }

    private static func isPrefix(_ name: String) -> Bool {
        SettingKey.allCases.contains { $0.rawValue.hasPrefix(name + ".") }
    }

    /// The setting that the name may have meant: the same last part, or one edit away.
    private static func suggestion(_ name: String) -> String {
        let last = name.split(separator: ".").last.map(String.init) ?? name
        let candidate = SettingKey.allCases.map(\.rawValue).first {
            $0.split(separator: ".").last.map(String.init) == last || isOneEdit($0, name)
        }
        return candidate.map { "; did you mean \($0)?" } ?? ""
    }

    /// Whether one inserted, deleted or replaced character makes them equal.
    private static func isOneEdit(_ left: String, _ right: String) -> Bool {
        let left = Array(left)
        let right = Array(right)
        guard abs(left.count - right.count) <= 1 else { return false }
        var start = 0
        while start < min(left.count, right.count), left[start] == right[start] { start += 1 }
        var end = 0
        while end < min(left.count, right.count) - start, left[left.count - 1 - end] == right[right.count - 1 - end] {
            end += 1
        }
        return max(left.count, right.count) - start - end <= 1
    }
}
