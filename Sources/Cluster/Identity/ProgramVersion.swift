/// The version that all programs of this package say they have (semantic versioning).
public enum ProgramVersion {
    public static let text = "0.1.0"
}
