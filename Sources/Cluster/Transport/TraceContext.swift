import Instrumentation
import ServiceContextModule

/// Carries trace context in a frame's fields.
enum TraceContext {
    private struct Carrier: Injector, Extractor {
        func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) { carrier[key] = value }
        func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
    }

    static func inject(_ context: ServiceContext?) -> [String: String] {
        guard let context, !context.isEmpty else { return [:] }
        var entries: [String: String] = [:]
        InstrumentationSystem.instrument.inject(context, into: &entries, using: Carrier())
        return entries
    }

    static func extract(_ entries: [String: String]) -> ServiceContext {
        var context = ServiceContext.topLevel
        guard !entries.isEmpty else { return context }
        InstrumentationSystem.instrument.extract(entries, into: &context, using: Carrier())
        return context
    }
}
