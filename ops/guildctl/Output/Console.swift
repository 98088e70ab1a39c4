import Foundation

/// What a person or a script reads: results on standard output, everything else on standard error.
enum Console {
    /// Writes a line of the command's result.
    static func result(_ line: String) {
        FileHandle.standardOutput.write(Data((line + "\n").utf8))
    }

    /// Writes a line for the person who watches.
    static func note(_ line: String) {
        FileHandle.standardError.write(Data((line + "\n").utf8))
    }

    /// Writes `value` as JSON with sorted keys, so that two runs can be compared.
    static func json(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        result(String(decoding: try encoder.encode(value), as: UTF8.self))
    }
}
