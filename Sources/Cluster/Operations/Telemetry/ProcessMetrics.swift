import Foundation

/// What Linux says of this process, under Prometheus' customary names.
enum ProcessMetrics {
    static func append(to text: inout MetricsText) {
        let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        if let stat = read("/proc/self/stat"), let end = stat.lastIndex(of: ")"), ticks > 0 {
            // Fields from the third on; see proc(5).
            let fields = stat[stat.index(after: end)...].split(separator: " ")
            if fields.count > 21, let user = Double(fields[11]), let system = Double(fields[12]) {
                text.append("process_cpu_seconds_total", kind: "counter", (user + system) / ticks)
            }
            if fields.count > 21, let threads = Double(fields[17]) {
                text.append("process_threads", kind: "gauge", threads)
            }
            if fields.count > 21, let pages = Double(fields[21]) {
                text.append(
                    "process_resident_memory_bytes", kind: "gauge", pages * Double(sysconf(Int32(_SC_PAGESIZE))))
            }
        }
        if let descriptors = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
            text.append("process_open_fds", kind: "gauge", Double(descriptors.count))
        }
    }

    private static func read(_ path: String) -> String? {
        guard let data = FileManager.default.contents(atPath: path) else { return nil }
        return String(decoding: data, as: UTF8.self)
    }
}
