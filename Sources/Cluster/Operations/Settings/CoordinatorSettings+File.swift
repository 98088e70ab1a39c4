extension CoordinatorSettings {
    /// What the configuration file of any process says of the coordinator, and where the embedded one's folder is: for
    /// tools, which are no process of the cluster.
    ///
    /// - Throws: all problems of these settings, not of the others.
    public static func read(from source: SettingsSource) throws(SettingsFailure) -> (CoordinatorSettings, data: String?)
    {
        var reader = SettingsReader(source)
        let settings = CoordinatorSettings(&reader, isServed: true)
        let data = reader.text(.coordinatorData) ?? reader.text(.data).map { $0 + "/coordinator" }
        try reader.finish()
        return (settings, data)
    }
}
