/// Collects what is wrong with the fields of a form body, so that a client hears of everything at once.
///
///     var validation = Validation()
///     validation.length(body.name, in: 1...100, at: "name")
///     try validation.finish()
public struct Validation {
    public private(set) var faults: [APIError.FieldFault] = []

    public init() {}

    public mutating func fail(at path: [String], code: String, message: String) {
        faults.append(APIError.FieldFault(path: path, code: code, message: message))
    }

    public mutating func fail(at path: String..., code: String, message: String) {
        fail(at: path, code: code, message: message)
    }

    /// The field must be there.
    public mutating func require(_ value: (some Any)?, at path: String...) {
        if value == nil { faults.append(.required(path)) }
    }

    /// The text, if any, has a number of characters (Unicode scalars, as Discord counts) in `range`.
    public mutating func length(_ text: String?, in range: ClosedRange<Int>, at path: String...) {
        length(text, in: range, at: path)
    }

    public mutating func length(_ text: String?, in range: ClosedRange<Int>, at path: [String]) {
        guard let text else { return }
        // More UTF-8 bytes than four for each allowed character cannot fit: no need to count.
        let isTooLong = text.utf8.count > range.upperBound * 4 || text.unicodeScalars.count > range.upperBound
        let isTooShort = !isTooLong && text.unicodeScalars.count < range.lowerBound
        checkLength(isTooLong: isTooLong, isTooShort: isTooShort, range, path)
    }

    /// The list, if any, has a number of elements in `range`.
    public mutating func count(_ count: Int?, in range: ClosedRange<Int>, at path: String...) {
        guard let count else { return }
        checkLength(isTooLong: count > range.upperBound, isTooShort: count < range.lowerBound, range, path)
    }

    private mutating func checkLength(
        isTooLong: Bool, isTooShort: Bool, _ range: ClosedRange<Int>, _ path: [String]
    ) {
        guard isTooLong || isTooShort else { return }
        if range.lowerBound == 0 {
            fail(at: path, code: "BASE_TYPE_MAX_LENGTH", message: "Must be \(range.upperBound) or fewer in length.")
        } else {
            fail(
                at: path, code: "BASE_TYPE_BAD_LENGTH",
                message: "Must be between \(range.lowerBound) and \(range.upperBound) in length.")
        }
    }

    /// The number, if any, lies in `range`.
    public mutating func number(_ value: Int?, in range: ClosedRange<Int>, at path: String...) {
        guard let value else { return }
        if value < range.lowerBound {
            fail(
                at: path, code: "NUMBER_TYPE_MIN",
                message: "int value should be greater than or equal to \(range.lowerBound).")
        } else if value > range.upperBound {
            fail(
                at: path, code: "NUMBER_TYPE_MAX",
                message: "int value should be less than or equal to \(range.upperBound).")
        }
    }

    /// The number, if any, is one of `choices`.
    public mutating func choice<Value: Equatable>(_ value: Value?, of choices: [Value], at path: String...) {
        guard let value, !choices.contains(value) else { return }
        let list = choices.map { "\($0)" }.joined(separator: ", ")
        fail(at: path, code: "BASE_TYPE_CHOICES", message: "Value \"\(value)\" must be one of {\(list)}.")
    }

    /// - Throws: code 50035 with all faults, if there are any.
    public func finish() throws(APIError) {
        if !faults.isEmpty { throw .invalidForm(faults) }
    }
}
