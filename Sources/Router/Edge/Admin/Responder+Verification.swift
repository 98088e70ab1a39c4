import Identity
import Routing

/// Compares the replicas of a slot for operators.
extension Responder {
    private struct Order: Decodable {
        var slot: Int
        var bytesPerSecond: Int?
    }

    private struct Answer: Encodable {
        struct Sum: Encodable {
            var node: String
            var rows: Int
            var bytes: Int
            var checksum: String
        }

        struct Difference: Encodable {
            var family: String
            /// Keys in hexadecimal, without the slot.
            var from: String
            var upTo: String?
            var sums: [Sum]
        }

        var slot: Int
        /// `compared`, `single`, or `not_compared`.
        var outcome: String
        var reason: String?
        var holders: [String] = []
        var index: UInt64 = 0
        var ranges = 0
        var rows = 0
        var bytes = 0
        var differences: [Difference] = []
    }

    func verify(_ request: EdgeRequest) async throws(EdgeError) -> EdgeResponse {
        let body: Order = try JSON.decode(request.body)
        guard (0..<Int(Slot.count)).contains(body.slot) else {
            throw .invalidForm("slot", code: "NUMBER_TYPE_MAX", "A slot is 0 to \(Int(Slot.count) - 1)")
        }
        var limits = SlotVerification.Limits()
        if let rate = body.bytesPerSecond {
            guard (1 << 10...1 << 40).contains(rate) else {
                throw .invalidForm(
                    "bytes_per_second", code: "NUMBER_TYPE_MIN", "A rate is at least 1024 bytes a second")
            }
            limits.bytesPerSecond = rate
        }
        var answer = Answer(slot: body.slot, outcome: "")
        switch await service.operators.verify(Slot(truncating: UInt64(body.slot)), limits) {
        case .single: answer.outcome = "single"
        case .notCompared(let reason):
            answer.outcome = "not_compared"
            answer.reason = reason
        case .compared(let comparison):
            answer.outcome = "compared"
            answer.holders = comparison.holders.map(\.rawValue)
            answer.index = comparison.index.rawValue
            (answer.ranges, answer.rows, answer.bytes) = (comparison.ranges, comparison.rows, comparison.bytes)
            answer.differences = comparison.differences.map(Self.difference)
        }
        return EdgeResponse(status: .ok, body: JSON.encode(answer))
    }

    private static func difference(_ difference: SlotVerification.Difference) -> Answer.Difference {
        Answer.Difference(
            family: difference.range.family, from: hexadecimal(difference.range.from),
            upTo: difference.range.upTo.map(hexadecimal),
            sums: difference.sums.sorted { $0.key < $1.key }.map { node, sum in
                Answer.Sum(
                    node: node.rawValue, rows: sum.rows, bytes: sum.bytes,
                    checksum: String(sum.checksum, radix: 16))
            })
    }

    private static func hexadecimal(_ bytes: [UInt8]) -> String {
        bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }
}
