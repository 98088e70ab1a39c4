import CoreMetrics
import Synchronization

/// A number that threads change without a lock.
final class AtomicDouble: Sendable {
    private let bits = Atomic<UInt64>(Double(0).bitPattern)

    var value: Double {
        get { Double(bitPattern: bits.load(ordering: .relaxed)) }
        set { bits.store(newValue.bitPattern, ordering: .relaxed) }
    }

    func add(_ amount: Double) {
        var old = bits.load(ordering: .relaxed)
        while true {
            let new = (Double(bitPattern: old) + amount).bitPattern
            let (exchanged, seen) = bits.weakCompareExchange(expected: old, desired: new, ordering: .relaxed)
            if exchanged { return }
            old = seen
        }
    }
}

final class CounterValue: CounterHandler, FloatingPointCounterHandler {
    private let count = Atomic<Int64>(0)
    private let fraction = AtomicDouble()

    func increment(by amount: Int64) { count.wrappingAdd(amount, ordering: .relaxed) }
    func increment(by amount: Double) { fraction.add(amount) }
    func reset() {
        count.store(0, ordering: .relaxed)
        fraction.value = 0
    }

    var value: Double { Double(count.load(ordering: .relaxed)) + fraction.value }
}

final class GaugeValue: MeterHandler, RecorderHandler {
    private let number = AtomicDouble()

    func set(_ value: Int64) { number.value = Double(value) }
    func set(_ value: Double) { number.value = value }
    func increment(by amount: Double) { number.add(amount) }
    func decrement(by amount: Double) { number.add(-amount) }
    func record(_ value: Int64) { number.value = Double(value) }
    func record(_ value: Double) { number.value = value }

    var value: Double { number.value }
}

/// Counts by upper bounds, as Prometheus' histograms do.
final class HistogramValue: TimerHandler, RecorderHandler {
    /// For timers, in seconds: from a tenth of a millisecond, since calls between nodes take that little.
    static let secondBounds: [Double] = [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]
    /// For recorders of counts and sizes.
    static let sizeBounds: [Double] = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 16_777_216]

    private final class Count: Sendable {
        let value = Atomic<Int64>(0)
    }

    let bounds: [Double]
    private let counts: [Count]
    private let total = AtomicDouble()

    init(bounds: [Double]) {
        self.bounds = bounds
        counts = (0...bounds.count).map { _ in Count() }
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        let index = bounds.firstIndex { value <= $0 } ?? bounds.count
        counts[index].value.wrappingAdd(1, ordering: .relaxed)
        total.add(value)
    }

    var sum: Double { total.value }

    /// How many values were at most each bound, and how many in all.
    var cumulative: [Int64] {
        var sum: Int64 = 0
        return counts.map {
            sum += $0.value.load(ordering: .relaxed)
            return sum
        }
    }
}
