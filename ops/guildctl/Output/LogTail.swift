import Foundation

/// The end of a log file.
struct LogTail {
    /// How much of the end is looked at.
    static let maximumBytes: UInt64 = 64 << 10

    let path: String

    /// The last `count` lines; empty when the file cannot be read.
    func lines(_ count: Int) -> String {
        guard let handle = FileHandle(forReadingAtPath: path), let end = try? handle.seekToEnd() else { return "" }
        try? handle.seek(toOffset: end > LogTail.maximumBytes ? end - LogTail.maximumBytes : 0)
        let text = String(decoding: (try? handle.readToEnd()) ?? Data(), as: UTF8.self)
        return text.split(separator: "\n").suffix(count).joined(separator: "\n")
    }
}
