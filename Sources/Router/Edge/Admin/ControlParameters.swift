import Control
import Identity

/// The parameters of operators' commands, checked.
struct ControlParameters {
    private let path: [String: String]
    private let query: [(name: String, value: String)]

    init(path: [String: String], query: Substring) {
        self.path = path
        self.query = QueryString.parse(query) ?? []
    }

    func text(_ name: String) -> String? { query.first { $0.name == name }?.value }

    func slot() throws(ControlFailure) -> Slot {
        guard let number = UInt16(path["slot"] ?? ""), let slot = Slot(rawValue: number) else {
            throw .invalid("a slot is a number from 0 to \(Slot.count - 1)")
        }
        return slot
    }

    func node() throws(ControlFailure) -> NodeID { try ControlParameters.node(named: path["node_id"] ?? "") }

    static func node(named name: String) throws(ControlFailure) -> NodeID {
        guard let node = NodeID(rawValue: name) else { throw .invalid("'\(name.prefix(64))' is no node's name") }
        return node
    }

    func number(_ name: String, _ range: ClosedRange<Int>) throws(ControlFailure) -> Int? {
        guard let text = text(name) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw .invalid("\(name) is a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func plan() throws(ControlFailure) -> ControlAnswers.PlanRequest {
        var bound: Double?
        if let text = text("bound") {
            guard let number = Double(text) else { throw .invalid("bound is a number") }
            bound = number
        }
        return try ControlParameters.plan(
            .init(
                measure: text("measure"), bound: bound, concurrency: try number("concurrency", 1...256),
                bandwidth: try number("bandwidth", 0...Int.max)))
    }

    static func plan(
        _ body: ControlAnswers.RebalanceRequest
    ) throws(ControlFailure) -> ControlAnswers.PlanRequest {
        var request = ControlAnswers.PlanRequest()
        if let name = body.measure {
            guard let measure = RebalancePlan.Measure(rawValue: name) else {
                throw .invalid("the measure is load or slots")
            }
            request.measure = measure
        }
        if let bound = body.bound { request.bound = bound }
        if let concurrency = body.concurrency { request.concurrency = concurrency }
        if let bandwidth = body.bandwidth { request.bandwidth = bandwidth }
        return request
    }
}
