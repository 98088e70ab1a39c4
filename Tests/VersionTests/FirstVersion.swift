import Placement

extension NodeRecord {
    /// As a process says it that speaks the first version of the protocol only.
    var asOfFirstVersion: NodeRecord {
        var record = self
        record.protocolVersions = 1...1
        return record
    }
}
