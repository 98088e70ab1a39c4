import NIOCore
import Wire

extension SlotLoad {
    /// Adds the time since `began` to what the slot has taken of its event loop.
    mutating func spent(since began: NIODeadline) {
        cpuNanoseconds &+= UInt64(max(0, (NIODeadline.now() - began).nanoseconds))
    }
}
