import Domain
import Identity
import NIOCore
import Replication
import Testing

@testable import Slots

/// Scans and look-ups through layers of uncommitted rows give what a plain dictionary gives.
@Suite struct OverlayTests {
    struct Model {
        var rows: [[UInt8]: ByteBuffer] = [:]

        mutating func apply(_ operation: Entry.Operation) {
            switch operation {
            case .put(_, let key, let value): rows[key] = value
            case .delete(_, let key): rows[key] = nil
            case .deleteRange(_, let from, let upTo):
                rows = rows.filter { $0.key.precedes(from) || !$0.key.precedes(upTo) }
            }
        }

        func scan(from: [UInt8], upTo: [UInt8], reverse: Bool) -> [([UInt8], ByteBuffer)] {
            let found = rows.filter { !$0.key.precedes(from) && $0.key.precedes(upTo) }
                .sorted { $0.key.precedes($1.key) }
            return reverse ? found.reversed() : found
        }
    }

    struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ state >> 33
        }
    }

    static func key(_ generator: inout Generator) -> [UInt8] {
        (0..<Int.random(in: 0...2, using: &generator)).map { _ in UInt8.random(in: 0...5, using: &generator) }
    }

    static func operation(_ generator: inout Generator) -> Entry.Operation {
        switch Int.random(in: 0..<10, using: &generator) {
        case 0..<6:
            .put(
                family: 1, key: key(&generator),
                value: ByteBuffer(integer: UInt64.random(in: 0 ... .max, using: &generator)))
        case 6..<9: .delete(family: 1, key: key(&generator))
        default: .deleteRange(family: 1, from: key(&generator), upTo: key(&generator))
        }
    }

    @Test(arguments: UInt64(1)...300)
    func layersReadAsOne(seed: UInt64) throws {
        var generator = Generator(state: seed)
        var model = Model()
        for _ in 0..<10 { model.apply(Self.operation(&generator)) }
        let committed = model
        let (uncommitted, own) = (Overlay(), Overlay())
        for layer in [uncommitted, own] {
            for index in 0..<Int.random(in: 0...8, using: &generator) {
                let operation = Self.operation(&generator)
                if case .deleteRange(_, let from, let upTo) = operation, !from.precedes(upTo) { continue }
                model.apply(operation)
                layer.add([operation], at: LogIndex(rawValue: UInt64(index + 1)))
            }
        }
        for _ in 0..<10 {
            let (from, upTo) = (Self.key(&generator), Self.key(&generator))
            let reverse = Bool.random(using: &generator)
            let limit = Int.random(in: 1...20, using: &generator)
            guard from.precedes(upTo) else { continue }
            var found: [([UInt8], ByteBuffer)] = []
            func take(_ key: [UInt8], _ value: ByteBuffer) -> Bool {
                found.append((key, value))
                return found.count < limit
            }
            var merge = RowMerge([own, uncommitted], .guild, from: from, upTo: upTo, reverse: reverse)
            for (key, value) in committed.scan(from: from, upTo: upTo, reverse: reverse) {
                guard try merge.take(key, value, take) else { break }
            }
            try merge.finish(take)
            let expected = model.scan(from: from, upTo: upTo, reverse: reverse).prefix(limit)
            #expect(found.map(\.0) == expected.map(\.0))
            #expect(found.map(\.1) == expected.map(\.1))
        }
    }

    @Test func whatIsAppliedLeavesTheOverlayAndLaterVersionsStay() {
        let overlay = Overlay()
        overlay.set(1, [1], ByteBuffer(string: "old"), at: LogIndex(rawValue: 1))
        overlay.set(1, [2], nil, at: LogIndex(rawValue: 1))
        overlay.set(1, [1], ByteBuffer(string: "new"), at: LogIndex(rawValue: 2))
        overlay.deleteRange(1, from: [7], upTo: [8], at: LogIndex(rawValue: 2))
        overlay.removeAll(through: LogIndex(rawValue: 1))
        guard case .value(ByteBuffer(string: "new")) = overlay.lookup(.guild, [1]) else {
            Issue.record("the newer version is gone")
            return
        }
        if case .deleted = overlay.lookup(.guild, [2]) { Issue.record("an applied deletion is still there") }
        overlay.removeAll(through: LogIndex(rawValue: 2))
        #expect(overlay.isEmpty)
    }
}
