import Foundation

/// Numbers as people read them.
enum Quantity {
    static func bytes(_ count: Double) -> String {
        var (value, unit) = (count, "B")
        for next in ["KiB", "MiB", "GiB", "TiB"] where value >= 1024 { (value, unit) = (value / 1024, next) }
        return unit == "B" ? "\(Int(value)) B" : "\(decimal(value)) \(unit)"
    }

    static func seconds(_ count: Double) -> String {
        let whole = Int(count.rounded(.up))
        if whole < 60 { return "\(whole) s" }
        return whole < 3600 ? "\(whole / 60) min \(whole % 60) s" : "\(whole / 3600) h \(whole % 3600 / 60) min"
    }

    static func percent(_ part: Double) -> String { decimal(part * 100) + "%" }

    static func decimal(_ value: Double) -> String { String(format: "%.1f", value) }

    /// `10M`, `1.5G`, `300k` or a number of bytes.
    static func parseBytes(_ text: String) -> Int? {
        let factors: [Character: Double] = ["k": 1024, "m": 1_048_576, "g": 1_073_741_824]
        var digits = text.lowercased()
        if digits.hasSuffix("b") { digits.removeLast() }
        let factor = digits.last.flatMap { factors[$0] }
        if factor != nil { digits.removeLast() }
        guard let number = Double(digits), number >= 0, number.isFinite else { return nil }
        let bytes = number * (factor ?? 1)
        return bytes < 1e15 ? Int(bytes) : nil
    }
}
