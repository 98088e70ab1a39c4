/// The version that this program says it has.
enum ProgramVersion {
    static let text = "0.1.0"
}
