/// Prometheus' text exposition format, version 0.0.4.
struct MetricsText {
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private(set) var text = ""

    /// A name in Prometheus' alphabet, that ends in `suffix`.
    static func name(_ label: String, suffix: String = "") -> String {
        var name = String(
            label.unicodeScalars.map { scalar -> Character in
                scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
                    || scalar == "_" || scalar == ":" ? Character(scalar) : "_"
            })
        if name.isEmpty || name.first?.isNumber == true { name = "_" + name }
        return name.hasSuffix(suffix) ? name : name + suffix
    }

    /// Labels in the order of their names, without braces: `a="1",b="2"`.
    static func labels(_ labels: [(String, String)]) -> String {
        labels.sorted { $0.0 < $1.0 }.map { label, value in
            let escaped = value.reduce(into: "") { text, character in
                switch character {
                case "\\": text += "\\\\"
                case "\"": text += "\\\""
                case "\n": text += "\\n"
                default: text.append(character)
                }
            }
            return "\(name(label))=\"\(escaped)\""
        }.joined(separator: ",")
    }

    mutating func append(_ name: String, kind: String, _ value: Double) {
        text += "# TYPE \(name) \(kind)\n"
        line(name, "", value)
    }

    mutating func append(_ name: String, _ family: MetricsRegistry.Family) {
        text += "# TYPE \(name) \(family.kind)\n"
        for (labels, value) in family.series.sorted(by: { $0.key < $1.key }) {
            switch value {
            case .counter(let counter): line(name, labels, counter.value)
            case .gauge(let gauge): line(name, labels, gauge.value)
            case .histogram(let histogram): append(name, labels, histogram)
            }
        }
    }

    private mutating func append(_ name: String, _ labels: String, _ histogram: HistogramValue) {
        let counts = histogram.cumulative
        let separator = labels.isEmpty ? "" : ","
        for (bound, count) in zip(histogram.bounds.map(MetricsText.number) + ["+Inf"], counts) {
            line(name + "_bucket", labels + separator + "le=\"\(bound)\"", Double(count))
        }
        line(name + "_sum", labels, histogram.sum)
        line(name + "_count", labels, Double(counts.last ?? 0))
    }

    private mutating func line(_ name: String, _ labels: String, _ value: Double) {
        text += labels.isEmpty ? name : "\(name){\(labels)}"
        text += " \(MetricsText.number(value))\n"
    }

    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if let whole = Int64(exactly: value) { return String(whole) }
        return String(value)
    }
}
