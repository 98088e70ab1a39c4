import CoreMetrics
import Foundation
import Identity
import Instrumentation
import Logging
import ServiceContextModule
import Testing
import Tracing

@testable import Operations

@Suite struct TelemetryTests {
    /// What a logger writes into a pipe.
    private func lines(format: LogFormat, _ body: (inout Logger, LogLevelSwitch) -> Void) throws -> [String] {
        let pipe = Pipe()
        let telemetry = Telemetry(
            logLevel: LogLevelSwitch(.info), metrics: MetricsRegistry(),
            sink: LogSink(descriptor: pipe.fileHandleForWriting.fileDescriptor))
        var logger = Logger(label: "test") {
            telemetry.handler(
                label: $0, format: format, clock: WallClock(), metadataProvider: Telemetry.traceMetadata)
        }
        body(&logger, telemetry.logLevel)
        telemetry.sink.flush()
        try pipe.fileHandleForWriting.close()
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        return String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    @Test func aJSONLineHoldsMessageAndMetadata() throws {
        let lines = try lines(format: .json) { logger, _ in
            logger.info("hello \"you\"\n", metadata: ["slot": "7", "nodes": ["a", "b"], "level": "forged"])
        }
        #expect(lines.count == 1)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(lines[0].utf8)) as? [String: Any])
        #expect(object["message"] as? String == "hello \"you\"\n")
        #expect(object["slot"] as? String == "7")
        #expect(object["nodes"] as? [String] == ["a", "b"])
        #expect(object["level"] as? String == "info")
    }

    @Test func aMessageCannotForgeALineOfText() throws {
        let lines = try lines(format: .text) { logger, _ in logger.info("a\n2026 error forged", metadata: ["k": "a b"])
        }
        #expect(lines.count == 1)
        #expect(lines[0].hasSuffix(" info test: a 2026 error forged k=\"a b\""))
    }

    @Test func theLevelChangesForLoggersThatExist() throws {
        let lines = try lines(format: .text) { logger, level in
            logger.debug("one")
            level.level = .debug
            logger.debug("two")
        }
        #expect(lines.count == 1)
        #expect(lines.first?.contains("two") == true)
    }

    @Test func linesWithinATraceCarryItsID() throws {
        var context = ServiceContext.topLevel
        let parent = TraceParent.random()
        context.traceParent = parent
        let written = try ServiceContext.withValue(context) {
            try self.lines(format: .text) { logger, _ in logger.info("x") }
        }
        #expect(written.first?.contains("trace_id=\(parent.traceID)") == true)
    }

    private struct Carrier: Injector, Extractor {
        func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) { carrier[key] = value }
        func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
    }

    @Test func aSpanIsALineOfLevelDebugWithNameTimeStatusAndItsPlaceInTheTrace() throws {
        let lines = try lines(format: .json) { logger, level in
            level.level = .debug
            let tracer = SpanTracer(logger: logger)
            var context = ServiceContext.topLevel
            context.traceParent = TraceParent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
            tracer.withSpan("outer", context: context, ofKind: .server) { outer in
                outer.operationName = "renamed"
                tracer.withSpan("inner") { $0.setStatus(SpanStatus(code: .error)) }
            }
        }
        let spans = try lines.map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: String])
        }
        #expect(spans.map { $0["span"] } == ["inner", "renamed"])
        #expect(spans.map { $0["status"] } == ["error", "ok"])
        #expect(spans.allSatisfy { $0["trace_id"] == "0af7651916cd43dd8448eb211c80319c" })
        #expect(spans.allSatisfy { $0["level"] == "debug" && Int($0["microseconds"] ?? "") != nil })
        #expect(spans[1]["parent_id"] == "b7ad6b7169203331")
        #expect(spans[0]["parent_id"] == spans[1]["span_id"])
    }

    @Test func aSpanThatNobodyReadsIsNotRecordedAndStillCarriesTheTrace() throws {
        let lines = try lines(format: .json) { logger, _ in
            let tracer = SpanTracer(logger: logger)
            tracer.withSpan("outer") { span in
                #expect(!span.isRecording)
                #expect(ServiceContext.current?.traceParent != nil)
            }
        }
        #expect(lines.isEmpty)
    }

    @Test func traceContextIsPassedOnWithTheCallersSpanAsParent() {
        let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        var context = ServiceContext.topLevel
        let propagator = TraceContextPropagator()
        propagator.extract(["traceparent": header, "tracestate": "a=b"], into: &context, using: Carrier())
        #expect(context.traceParent?.description == header)
        var carrier: [String: String] = [:]
        propagator.inject(context, into: &carrier, using: Carrier())
        let next = carrier["traceparent"].flatMap { TraceParent($0) }
        #expect(next?.traceID == "0af7651916cd43dd8448eb211c80319c")
        #expect(next?.isSampled == true)
        #expect(next?.parentID == "b7ad6b7169203331")
        #expect(carrier["tracestate"] == "a=b")
    }

    @Test(arguments: [
        "", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-extra",
    ]) func brokenTraceParentsAreRefused(_ header: String) {
        #expect(TraceParent(header) == nil)
    }

    @Test func metricsAreWrittenInPrometheusFormat() {
        let registry = MetricsRegistry()
        Counter(label: "requests", dimensions: [("route", "a\"b"), ("code", "200")], factory: registry).increment(by: 3)
        Gauge(label: "sessions.open", factory: registry).record(4.5)
        let timer = Timer(label: "call", factory: registry)
        timer.recordNanoseconds(3_000_000)
        timer.recordNanoseconds(20_000_000_000)
        let text = registry.exposition()
        #expect(text.contains("# TYPE requests_total counter\nrequests_total{code=\"200\",route=\"a\\\"b\"} 3\n"))
        #expect(text.contains("# TYPE sessions_open gauge\nsessions_open 4.5\n"))
        #expect(text.contains("# TYPE call_seconds histogram\n"))
        #expect(text.contains("call_seconds_bucket{le=\"0.0025\"} 0\ncall_seconds_bucket{le=\"0.005\"} 1\n"))
        #expect(text.contains("call_seconds_bucket{le=\"10\"} 1\ncall_seconds_bucket{le=\"+Inf\"} 2\n"))
        #expect(text.contains("call_seconds_sum 20.003\ncall_seconds_count 2\n"))
        #expect(text.contains("process_resident_memory_bytes "))
    }

    @Test func countersOfOneNameAndLabelsAreOne() {
        let registry = MetricsRegistry()
        Counter(label: "x", dimensions: [("a", "1"), ("b", "2")], factory: registry).increment()
        Counter(label: "x", dimensions: [("b", "2"), ("a", "1")], factory: registry).increment()
        #expect(registry.exposition().contains("x_total{a=\"1\",b=\"2\"} 2\n"))
    }

    @Test func labelSetsBeyondTheBoundAreCountedAsDropped() {
        let registry = MetricsRegistry()
        for number in 0..<MetricsRegistry.maximumSeries + 5 {
            Counter(label: "x", dimensions: [("n", "\(number)")], factory: registry).increment()
        }
        #expect(registry.exposition().contains("guildhall_metrics_dropped_series_total 5\n"))
    }
}
