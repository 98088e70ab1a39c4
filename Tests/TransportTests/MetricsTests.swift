import CoreMetrics
import NIOCore
import Synchronization
import Testing
import Wire

@testable import Transport

/// A factory that adds up; metrics are named by label and dimensions.
private final class Tally: MetricsFactory, Sendable {
    final class Series: CounterHandler, RecorderHandler {
        let value = Atomic<Int64>(0)
        func increment(by amount: Int64) { value.wrappingAdd(amount, ordering: .relaxed) }
        func reset() { value.store(0, ordering: .relaxed) }
        func record(_ value: Int64) { self.value.store(value, ordering: .relaxed) }
        func record(_ value: Double) { record(Int64(value)) }
    }
    private let series = Mutex<[String: Series]>([:])

    private func make(_ label: String, _ dimensions: [(String, String)]) -> Series {
        let name = ([label] + dimensions.map { "\($0.0)=\($0.1)" }.sorted()).joined(separator: " ")
        return series.withLock {
            let made = $0[name] ?? Series()
            $0[name] = made
            return made
        }
    }

    /// The values that are not 0, by name.
    var values: [String: Int64] {
        series.withLock { $0.mapValues { $0.value.load(ordering: .relaxed) }.filter { $0.value != 0 } }
    }

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler { make(label, dimensions) }
    func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        make(label, dimensions)
    }
    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        preconditionFailure("the transport times nothing")
    }
    func destroyCounter(_ handler: any CounterHandler) {}
    func destroyRecorder(_ handler: any RecorderHandler) {}
    func destroyTimer(_ handler: any TimerHandler) {}
}

@Suite struct MetricsTests {
    private func wait(_ condition: () -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(300)
        while !condition() {
            try #require(ContinuousClock.now < end)
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    private func options(_ made: Tally, _ served: Tally) -> Loopback.Options {
        var options = Loopback.Options()
        options.clientMetrics = made
        options.serverMetrics = served
        return options
    }

    private func calls(_ tally: Tally) -> [String: Int64] {
        let label = "guildhall_transport_calls_total "
        return Dictionary(
            uniqueKeysWithValues: tally.values.filter { $0.key.hasPrefix(label) }.map {
                (String($0.key.dropFirst(label.count)), $0.value)
            })
    }

    @Test func callsAreCountedByMethodAndOutcome() async throws {
        let (made, served) = (Tally(), Tally())
        try await Loopback.run(options(made, served)) {
            $0.register(
                .slot,
                Handler { call throws(CallFailure) in
                    if call.body.readableBytes == 0 { throw .refused("empty") }
                    return call.body
                })
        } _: { loopback in
            for _ in 0..<3 { _ = try await loopback.call(.slot, "hello") }
            #expect(await loopback.failure(.slot, "") == .refused("empty"))
            #expect(await loopback.failure(.status) == .unknownMethod)
            // A method without a name adds no label of its own.
            #expect(await loopback.failure(CallMethod(rawValue: 4711)) == .unknownMethod)
            for (tally, side) in [(made, "made"), (served, "served")] {
                #expect(
                    calls(tally) == [
                        "method=slot outcome=answered side=\(side)": 3, "method=slot outcome=refused side=\(side)": 1,
                        "method=status outcome=unknown_method side=\(side)": 1,
                        "method=other outcome=unknown_method side=\(side)": 1,
                    ])
            }
        }
    }

    @Test func aCallToNobodyIsUnreachable() async throws {
        let made = Tally()
        try await Loopback.run(options(made, Tally())) { loopback in
            await loopback.server.shutdown(within: .zero)
            for _ in 0..<2 {
                let failure = await loopback.failure()
                guard case .unreachable? = failure else {
                    Issue.record("\(failure.map { "\($0)" } ?? "answered")")
                    return
                }
            }
            #expect(calls(made) == ["method=slot outcome=unreachable side=made": 2])
        }
    }

    @Test func bytesAreCountedByLaneAndBothSidesAgree() async throws {
        let (made, served) = (Tally(), Tally())
        try await Loopback.run(options(made, served)) {
            $0.register(.slot, Handler { _ in ByteBuffer(string: "ok") })
        } _: { loopback in
            _ = try await loopback.call(.slot, String(repeating: "x", count: 100_000))
            func bytes(_ tally: Tally, _ direction: String, _ lane: String) -> Int64 {
                tally.values["guildhall_transport_bytes_total direction=\(direction) lane=\(lane)"] ?? 0
            }
            let out = bytes(made, "out", "request")
            #expect(out > 100_000 && out < 101_000)
            #expect(bytes(made, "in", "request") < 1_000)
            // The hello is not counted: no lane is known before it.
            #expect(abs(bytes(served, "in", "request") - out) < 500)
            #expect(bytes(made, "out", "event") == 0)
        }
    }

    @Test func connectionsComeAndGo() async throws {
        let (made, served) = (Tally(), Tally())
        func connections(_ tally: Tally, _ side: String, _ lane: String) -> Int64 {
            tally.values["guildhall_transport_connections lane=\(lane) side=\(side)"] ?? 0
        }
        try await Loopback.run(options(made, served)) {
            $0.register(.slot, Handler { $0.body })
        } _: { loopback in
            _ = try await loopback.call(.slot, "a")
            _ = try await loopback.call(.slot, "b", lane: .control)
            #expect(connections(made, "dialled", "request") == 1)
            #expect(connections(served, "accepted", "control") == 1)
            await loopback.client.shutdown()
            try await wait {
                connections(made, "dialled", "request") == 0 && connections(served, "accepted", "request") == 0
                    && connections(served, "accepted", "control") == 0
            }
        }
    }

    @Test func anItemThatAFullQueueRefusesIsCounted() async throws {
        let (made, served) = (Tally(), Tally())
        var options = options(made, served)
        options.clientLimits.streamQueueItems = 4
        options.serverLimits.streamWindow = 1
        try await Loopback.run(options) {
            $0.register(.events, acceptor: Acceptor { _, _ in Collector(consumes: false) })
        } _: { loopback in
            let stream = try await loopback.client.openStream(
                .events, body: ByteBuffer(), to: loopback.address, lane: .event, receiver: Collector())
            var sent = 0
            while stream.send(ByteBuffer(string: "x")) {
                sent += 1
                try #require(sent < 100)
            }
            #expect(made.values["guildhall_transport_sheds_total lane=event"] == 1)
        }
    }
}
