import Identity
import Wire

extension Duration {
    /// Whole milliseconds, at least 0: how durations are written.
    var wireMilliseconds: UInt64 { UInt64(max(0, milliseconds)) }
}

extension FieldReader.Field {
    /// A duration in milliseconds, of at most 2^40 (35 years), so that sums with it cannot overflow.
    func milliseconds() throws(FieldError) -> Duration {
        let value = try uint64()
        guard value <= 1 << 40 else { throw .invalidField(number) }
        return .milliseconds(Int64(value))
    }
}
