import AsyncHTTPClient

/// The HTTP client of the process.
enum PlainHTTP {
    /// A refused connection is an answer, not a reason to try until the time is over. It lives as long as the process.
    static let client: HTTPClient = {
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.timeout.connect = .seconds(5)
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()
}
