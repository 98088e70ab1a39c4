import Foundation
import Replication

extension BootTime {
    /// By the machine's clock that counts suspension.
    static func now() -> BootTime {
        var time = timespec()
        // It cannot fail: the clock exists since Linux 2.6.39, and the pointer is valid.
        clock_gettime(CLOCK_BOOTTIME, &time)
        return BootTime(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}
