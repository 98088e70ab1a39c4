import CoreMetrics
import Synchronization

/// Keeps the process's metrics and writes them in Prometheus' text format.
///
/// Names are made Prometheus': what is not a letter, digit, `_` or `:` becomes `_`; counters end in `_total`, timers in
/// `_seconds`. The lock is taken where a metric is made and where all are written; counting takes none.
public final class MetricsRegistry: MetricsFactory {
    /// The most label sets of one name; more are counted nowhere, and how many is itself a metric.
    public static let maximumSeries = 2_000

    enum Value: Sendable {
        case counter(CounterValue)
        case gauge(GaugeValue)
        case histogram(HistogramValue)

        var kind: String {
            switch self {
            case .counter: "counter"
            case .gauge: "gauge"
            case .histogram: "histogram"
            }
        }

        var handler: AnyObject {
            switch self {
            case .counter(let value): value
            case .gauge(let value): value
            case .histogram(let value): value
            }
        }
    }

    struct Family: Sendable {
        var kind: String
        /// By the labels as they are written.
        var series: [String: Value] = [:]
    }

    private struct State {
        var families: [String: Family] = [:]
        var dropped = 0
    }

    private let state = Mutex(State())

    public init() {}

    /// All metrics, sorted by name and labels.
    public func exposition() -> String {
        var text = MetricsText()
        let (families, dropped) = state.withLock { ($0.families, $0.dropped) }
        for (name, family) in families.sorted(by: { $0.key < $1.key }) { text.append(name, family) }
        text.append("guildhall_metrics_dropped_series_total", kind: "counter", Double(dropped))
        ProcessMetrics.append(to: &text)
        return text.text
    }

    /// The value of a name and labels: the one that is there, or a new one.
    private func value(_ name: String, _ labels: [(String, String)], make: () -> Value) -> Value {
        let key = MetricsText.labels(labels)
        return state.withLock { state in
            if let known = state.families[name]?.series[key] {
                let made = make()
                // One name, two kinds: a mistake in the program; the second is counted nowhere.
                return known.kind == made.kind ? known : made
            }
            let made = make()
            let family = state.families[name] ?? Family(kind: made.kind)
            guard family.kind == made.kind, family.series.count < MetricsRegistry.maximumSeries else {
                state.dropped += 1
                return made
            }
            state.families[name, default: Family(kind: made.kind)].series[key] = made
            return made
        }
    }

    private func remove(_ handler: AnyObject) {
        state.withLock { state in
            for (name, family) in state.families {
                for (key, value) in family.series where value.handler === handler {
                    state.families[name]?.series[key] = nil
                }
            }
        }
    }

    private func counter(_ label: String, _ dimensions: [(String, String)]) -> CounterValue {
        let name = MetricsText.name(label, suffix: "_total")
        guard case .counter(let counter) = value(name, dimensions, make: { .counter(CounterValue()) }) else {
            return CounterValue()
        }
        return counter
    }

    private func gauge(_ label: String, _ dimensions: [(String, String)]) -> GaugeValue {
        guard case .gauge(let gauge) = value(MetricsText.name(label), dimensions, make: { .gauge(GaugeValue()) }) else {
            return GaugeValue()
        }
        return gauge
    }

    private func histogram(_ name: String, _ dimensions: [(String, String)], _ bounds: [Double]) -> HistogramValue {
        let made = { Value.histogram(HistogramValue(bounds: bounds)) }
        guard case .histogram(let histogram) = value(name, dimensions, make: made) else {
            return HistogramValue(bounds: bounds)
        }
        return histogram
    }

    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        counter(label, dimensions)
    }

    public func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        counter(label, dimensions)
    }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        gauge(label, dimensions)
    }

    public func makeRecorder(
        label: String, dimensions: [(String, String)], aggregate: Bool
    ) -> any RecorderHandler {
        if aggregate {
            histogram(MetricsText.name(label), dimensions, HistogramValue.sizeBounds)
        } else {
            gauge(label, dimensions)
        }
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        histogram(MetricsText.name(label, suffix: "_seconds"), dimensions, HistogramValue.secondBounds)
    }

    public func destroyCounter(_ handler: any CounterHandler) { remove(handler) }
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { remove(handler) }
    public func destroyMeter(_ handler: any MeterHandler) { remove(handler) }
    public func destroyRecorder(_ handler: any RecorderHandler) { remove(handler) }
    public func destroyTimer(_ handler: any TimerHandler) { remove(handler) }
}
