import Operations

extension EtcdSettings {
    /// What a process's settings say, which were checked when they were read.
    ///
    /// - Throws: when an endpoint is no URL after all.
    public init(_ settings: CoordinatorSettings.Etcd) throws(SettingsFailure) {
        var endpoints: [EtcdEndpoint] = []
        for text in settings.endpoints {
            guard let endpoint = EtcdEndpoint(text) else {
                throw SettingsFailure(problems: ["coordinator.endpoints: expected a URL, got \(text)"])
            }
            endpoints.append(endpoint)
        }
        self.init(endpoints: endpoints)
        prefix = settings.prefix
        tls = TLS(authority: settings.authority, certificate: settings.certificate, key: settings.key)
        if let name = settings.user { user = User(name: name, password: settings.password ?? "") }
    }
}
