/// Columns of text under headings, as wide as their widest cell.
struct Table {
    private let headings: [String]
    private var rows: [[String]] = []

    init(_ headings: [String]) { self.headings = headings }

    /// - Parameter row: as many cells as there are headings.
    mutating func add(_ row: [String]) {
        precondition(row.count == headings.count, "a row has a cell for each heading")
        rows.append(row)
    }

    /// The lines, without trailing blanks.
    var text: String {
        let all = [headings] + rows
        let widths = headings.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            var line = ""
            for (cell, width) in zip(row, widths) {
                line += cell + String(repeating: " ", count: width - cell.count + 2)
            }
            while line.last == " " { line.removeLast() }
            return line
        }.joined(separator: "\n")
    }
}
