import Instrumentation
import ServiceContextModule

/// The position of a piece of work in a trace, as W3C Trace Context writes it in `traceparent`.
public struct TraceParent: Hashable, Sendable, CustomStringConvertible {
    /// 32 hexadecimal digits, not all zero.
    public let traceID: String
    /// 16 hexadecimal digits, not all zero.
    public let parentID: String
    public let isSampled: Bool

    /// Reads a header's value; `nil` when it is not one of version 00 or of a later version's same beginning.
    public init?(_ header: String) {
        let bytes = Array(header.utf8)
        let isDigit: (UInt8) -> Bool = { (48...57).contains($0) || (97...102).contains($0) }
        guard bytes.count >= 55, bytes[2] == 45, bytes[35] == 45, bytes[52] == 45 else { return nil }
        let parts = [bytes[0..<2], bytes[3..<35], bytes[36..<52], bytes[53..<55]]
        guard parts.allSatisfy({ $0.allSatisfy(isDigit) }) else { return nil }
        let version = String(decoding: parts[0], as: UTF8.self)
        guard version != "ff", version != "00" || bytes.count == 55, bytes.count == 55 || bytes[55] == 45,
            parts[1].contains(where: { $0 != 48 }), parts[2].contains(where: { $0 != 48 }),
            let flags = UInt8(String(decoding: parts[3], as: UTF8.self), radix: 16)
        else { return nil }
        traceID = String(decoding: parts[1], as: UTF8.self)
        parentID = String(decoding: parts[2], as: UTF8.self)
        isSampled = flags & 1 == 1
    }

    private init(traceID: String, parentID: String, isSampled: Bool) {
        self.traceID = traceID
        self.parentID = parentID
        self.isSampled = isSampled
    }

    /// The start of a new trace.
    public static func random() -> TraceParent {
        TraceParent(
            traceID: digits(nonZero()) + digits(nonZero()), parentID: digits(nonZero()), isSampled: false)
    }

    /// The same trace, as seen by what this piece of work calls.
    public func child() -> TraceParent {
        TraceParent(traceID: traceID, parentID: TraceParent.digits(TraceParent.nonZero()), isSampled: isSampled)
    }

    private static func nonZero() -> UInt64 { UInt64.random(in: 1...UInt64.max) }

    private static func digits(_ value: UInt64) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }

    public var description: String { "00-\(traceID)-\(parentID)-\(isSampled ? "01" : "00")" }
}

private enum TraceParentKey: ServiceContextKey {
    typealias Value = TraceParent
    static let nameOverride: String? = "traceparent"
}

private enum TraceStateKey: ServiceContextKey {
    typealias Value = String
    static let nameOverride: String? = "tracestate"
}

extension ServiceContext {
    public var traceParent: TraceParent? {
        get { self[TraceParentKey.self] }
        set { self[TraceParentKey.self] = newValue }
    }

    /// Vendors' part of the trace context, passed on as it came.
    var traceState: String? {
        get { self[TraceStateKey.self] }
        set { self[TraceStateKey.self] = newValue }
    }
}

/// Carries W3C trace context over calls: the callee sees the caller's span as its parent.
public struct TraceContextPropagator: Instrument {
    /// What W3C Trace Context asks to pass on at least, in bytes; longer ones are dropped.
    static let maximumTraceState = 512

    public init() {}

    public func extract<Carrier, Extract: Extractor>(
        _ carrier: Carrier, into context: inout ServiceContext, using extractor: Extract
    ) where Extract.Carrier == Carrier {
        guard let header = extractor.extract(key: "traceparent", from: carrier), let parent = TraceParent(header) else {
            return
        }
        context.traceParent = parent
        if let state = extractor.extract(key: "tracestate", from: carrier), !state.isEmpty,
            state.utf8.count <= TraceContextPropagator.maximumTraceState
        {
            context.traceState = state
        }
    }

    public func inject<Carrier, Inject: Injector>(
        _ context: ServiceContext, into carrier: inout Carrier, using injector: Inject
    ) where Inject.Carrier == Carrier {
        guard let parent = context.traceParent else { return }
        injector.inject(parent.description, forKey: "traceparent", into: &carrier)
        if let state = context.traceState { injector.inject(state, forKey: "tracestate", into: &carrier) }
    }
}
