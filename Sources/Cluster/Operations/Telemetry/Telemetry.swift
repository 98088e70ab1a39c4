import CoreMetrics
import Identity
import Instrumentation
import Logging
import ServiceContextModule

/// A process's logs, metrics and trace context.
public struct Telemetry: Sendable {
    public let logLevel: LogLevelSwitch
    public let metrics: MetricsRegistry
    public let sink: LogSink

    /// Sets up swift-log, swift-metrics and swift-distributed-tracing. Call it once, first thing in `main`.
    ///
    /// Log lines go to standard error; those written while a trace is known carry `trace_id`. Spans are lines of level
    /// debug.
    ///
    /// - Parameter clock: gives the lines' times.
    public static func bootstrap(
        level: Logger.Level = .info, format: LogFormat = .text, clock: WallClock = WallClock()
    ) -> Telemetry {
        let telemetry = Telemetry(logLevel: LogLevelSwitch(level), metrics: MetricsRegistry(), sink: LogSink())
        LoggingSystem.bootstrap(
            { telemetry.handler(label: $0, format: format, clock: clock, metadataProvider: $1) },
            metadataProvider: Telemetry.traceMetadata)
        MetricsSystem.bootstrap(telemetry.metrics)
        InstrumentationSystem.bootstrap(SpanTracer(logger: Logger(label: "trace")))
        return telemetry
    }

    func handler(
        label: String, format: LogFormat, clock: WallClock, metadataProvider: Logger.MetadataProvider?
    ) -> LineLogHandler {
        LineLogHandler(
            label: label, format: format, sink: sink, threshold: logLevel, now: { clock.now() },
            metadataProvider: metadataProvider)
    }

    /// Adds the id of the current trace.
    static let traceMetadata = Logger.MetadataProvider {
        guard let parent = ServiceContext.current?.traceParent else { return [:] }
        return ["trace_id": "\(parent.traceID)"]
    }
}
