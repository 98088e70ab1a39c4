/// The versions of the inter-node protocol (PROTOCOL.md "Versions"). A number rises when peers must know of each other
/// whether they can do something; what is merely added to messages is skipped by those who do not know it.
public enum ProtocolVersion {
    /// The oldest that this build speaks.
    public static let oldest: UInt64 = 1
    /// The newest that this build speaks.
    public static let newest: UInt64 = 2
    /// From this one on nodes replicate slots, and gateways hand sessions over and journal them.
    public static let replication: UInt64 = 2

    /// All that this build speaks.
    public static let all = oldest...newest
}
