import Wire

/// A row that holds one number or id.
struct NumberRow: FieldCodable {
    static let formatVersion: UInt64 = 1

    var number: UInt64

    init(_ number: UInt64) { self.number = number }

    func encode(into writer: inout FieldWriter) {
        writer.write(1, NumberRow.formatVersion)
        writer.write(2, fixed: number)
    }

    init(from reader: FieldReader) throws(FieldError) {
        var reader = reader
        var number: UInt64?
        while let field = try reader.next() {
            switch field.number {
            case 1: try field.requireFormat(upTo: NumberRow.formatVersion)
            case 2: number = try field.fixed()
            default: break
            }
        }
        self.number = try number.required(2)
    }
}
