import Logging
import Synchronization
import Tracing

/// Carries W3C trace context over calls, and writes each span that ends as a log line of level debug.
///
/// Above that level a span costs the id that callees see as their parent, and keeps nothing.
public struct SpanTracer: Tracer {
    private let propagator = TraceContextPropagator()
    private let logger: Logger

    public init(logger: Logger) { self.logger = logger }

    public func startSpan<Instant: TracerInstant>(
        _ operationName: String, context: @autoclosure () -> ServiceContext, ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant, function: String, file fileID: String, line: UInt
    ) -> LoggedSpan {
        var context = context()
        let parent = context.traceParent
        context.traceParent = parent?.child() ?? .random()
        guard logger.logLevel <= .debug else { return LoggedSpan(context: context, record: nil) }
        return LoggedSpan(
            context: context,
            record: .init(
                name: operationName, parentID: parent?.parentID, began: instant().nanosecondsSinceEpoch, logger: logger)
        )
    }

    /// Lines go out as spans end.
    public func forceFlush() {}

    public func extract<Carrier, Extract: Extractor>(
        _ carrier: Carrier, into context: inout ServiceContext, using extractor: Extract
    ) where Extract.Carrier == Carrier {
        propagator.extract(carrier, into: &context, using: extractor)
    }

    public func inject<Carrier, Inject: Injector>(
        _ context: ServiceContext, into carrier: inout Carrier, using injector: Inject
    ) where Inject.Carrier == Carrier {
        propagator.inject(context, into: &carrier, using: injector)
    }
}

/// A span of which name, time, status, error and place in the trace are written down. Attributes, events and links are
/// for tracers with a place to put them.
public struct LoggedSpan: Span {
    final class Record: Sendable {
        struct State {
            var name: String
            var status = SpanStatus(code: .ok)
            var error: String?
            var hasEnded = false
        }

        let state: Mutex<State>
        let parentID: String?
        let began: UInt64
        let logger: Logger

        init(name: String, parentID: String?, began: UInt64, logger: Logger) {
            state = Mutex(State(name: name))
            self.parentID = parentID
            self.began = began
            self.logger = logger
        }
    }

    public let context: ServiceContext
    let record: Record?

    public var isRecording: Bool { record != nil }

    public var operationName: String {
        get { record?.state.withLock { $0.name } ?? "" }
        nonmutating set { record?.state.withLock { $0.name = newValue } }
    }

    public var attributes: SpanAttributes {
        get { [:] }
        nonmutating set {}
    }

    public func setStatus(_ status: SpanStatus) { record?.state.withLock { $0.status = status } }
    public func addEvent(_ event: SpanEvent) {}
    public func addLink(_ link: SpanLink) {}

    public func recordError<Instant: TracerInstant>(
        _ error: any Error, attributes: SpanAttributes, at instant: @autoclosure () -> Instant
    ) {
        record?.state.withLock { state in
            state.error = "\(error)"
            state.status = SpanStatus(code: .error)
        }
    }

    public func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
        guard let record, let trace = context.traceParent else { return }
        let state = record.state.withLock { state -> Record.State? in
            guard !state.hasEnded else { return nil }
            state.hasEnded = true
            return state
        }
        guard let state else { return }
        // The wall clock may have been set back meanwhile.
        let ended = max(instant().nanosecondsSinceEpoch, record.began)
        var metadata: Logger.Metadata = [
            "span": "\(state.name)", "status": state.status.code == .error ? "error" : "ok",
            "microseconds": "\((ended - record.began) / 1000)", "trace_id": "\(trace.traceID)",
            "span_id": "\(trace.parentID)",
        ]
        if let parentID = record.parentID { metadata["parent_id"] = "\(parentID)" }
        if let error = state.error { metadata["error"] = "\(error)" }
        record.logger.debug("span", metadata: metadata)
    }
}
