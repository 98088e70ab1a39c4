import Foundation
import Identity
import Logging

/// Writes each event as one line, of text or of JSON.
struct LineLogHandler: LogHandler {
    let label: String
    let format: LogFormat
    let sink: LogSink
    let threshold: LogLevelSwitch
    let now: @Sendable () -> Timestamp
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    /// Set on one logger; other loggers follow the process's switch.
    private var ownLevel: Logger.Level?

    init(
        label: String, format: LogFormat, sink: LogSink, threshold: LogLevelSwitch,
        now: @escaping @Sendable () -> Timestamp, metadataProvider: Logger.MetadataProvider?
    ) {
        self.label = label
        self.format = format
        self.sink = sink
        self.threshold = threshold
        self.now = now
        self.metadataProvider = metadataProvider
    }

    var logLevel: Logger.Level {
        get { ownLevel ?? threshold.level }
        set { ownLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { _, new in new } }
        if let given = event.metadata { all.merge(given) { _, new in new } }
        if let error = event.error { all["error"] = "\(error)" }
        var line = LogLine()
        switch format {
        case .text: line.appendText(event, label: label, metadata: all, time: now())
        case .json: line.appendJSON(event, label: label, metadata: all, time: now())
        }
        sink.write(line.bytes)
    }
}

/// The bytes of one line.
struct LogLine {
    /// Longer values are cut, so that one line cannot fill the sink.
    static let maximumValue = 8_192

    private(set) var bytes: [UInt8] = []

    mutating func appendText(_ event: LogEvent, label: String, metadata: Logger.Metadata, time: Timestamp) {
        append("\(time) \(event.level.rawValue) \(label): ")
        appendPlain(event.message.description)
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            append(" ")
            appendPlain(key)
            append("=")
            let text = value.description
            if text.isEmpty || text.contains(where: { $0 == " " || $0 == "\"" || $0 == "=" }) {
                appendJSON(string: text)
            } else {
                appendPlain(text)
            }
        }
        append("\n")
    }

    mutating func appendJSON(_ event: LogEvent, label: String, metadata: Logger.Metadata, time: Timestamp) {
        append("{\"time\":\"\(time)\",\"level\":\"\(event.level.rawValue)\",\"label\":")
        appendJSON(string: label)
        append(",\"message\":")
        appendJSON(string: event.message.description)
        append(",\"source\":")
        appendJSON(string: event.source)
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) where !LogLine.reserved.contains(key) {
            append(",")
            appendJSON(string: key)
            append(":")
            appendJSON(value)
        }
        append("}\n")
    }

    private static let reserved: Set<String> = ["time", "level", "label", "message", "source"]

    private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    /// Control characters become spaces: a message cannot forge a line.
    private mutating func appendPlain(_ text: String) {
        for byte in text.utf8.prefix(LogLine.maximumValue) { bytes.append(byte < 0x20 || byte == 0x7f ? 0x20 : byte) }
    }

    private mutating func appendJSON(_ value: Logger.MetadataValue) {
        switch value {
        case .string(let text): appendJSON(string: text)
        case .stringConvertible(let value): appendJSON(string: value.description)
        case .array(let values):
            append("[")
            for (index, value) in values.enumerated() {
                if index > 0 { append(",") }
                appendJSON(value)
            }
            append("]")
        case .dictionary(let values):
            append("{")
            for (index, entry) in values.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { append(",") }
                appendJSON(string: entry.key)
                append(":")
                appendJSON(entry.value)
            }
            append("}")
        }
    }

    mutating func appendJSON(string: String) {
        append("\"")
        for scalar in string.unicodeScalars.prefix(LogLine.maximumValue) {
            switch scalar {
            case "\"": append("\\\"")
            case "\\": append("\\\\")
            case "\n": append("\\n")
            case "\r": append("\\r")
            case "\t": append("\\t")
            case _ where scalar.value < 0x20 || scalar.value == 0x7f:
                let digits = String(scalar.value, radix: 16)
                append("\\u" + String(repeating: "0", count: 4 - digits.count) + digits)
            default: bytes.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            }
        }
        append("\"")
    }
}
