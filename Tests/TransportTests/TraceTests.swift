import Instrumentation
import NIOCore
import ServiceContextModule
import Testing
import Wire

@testable import Transport

private enum MarkKey: ServiceContextKey {
    typealias Value = String
}

/// Carries one value, so that the test sees whether the transport asks the instrument on both sides.
private struct MarkInstrument: Instrument {
    func extract<Carrier, Extract: Extractor>(
        _ carrier: Carrier, into context: inout ServiceContext, using extractor: Extract
    ) where Extract.Carrier == Carrier {
        context[MarkKey.self] = extractor.extract(key: "mark", from: carrier)
    }

    func inject<Carrier, Inject: Injector>(
        _ context: ServiceContext, into carrier: inout Carrier, using injector: Inject
    ) where Inject.Carrier == Carrier {
        if let mark = context[MarkKey.self] { injector.inject(mark, forKey: "mark", into: &carrier) }
    }
}

@Suite struct TraceTests {
    private static let bootstrapped: Void = InstrumentationSystem.bootstrap(MarkInstrument())

    @Test func theCallersTraceContextReachesTheHandlersTask() async throws {
        _ = TraceTests.bootstrapped
        try await Loopback.run {
            $0.register(
                .slot,
                Handler { call in
                    ByteBuffer(
                        string: "\(call.context[MarkKey.self] ?? "-") \(ServiceContext.current?[MarkKey.self] ?? "-")")
                })
        } _: { loopback in
            var context = ServiceContext.topLevel
            context[MarkKey.self] = "m1"
            let traced = try await ServiceContext.withValue(context) { try await loopback.call() }
            #expect(traced == "m1 m1")
            let untraced = try await loopback.call()
            #expect(untraced == "- -")
        }
    }
}
