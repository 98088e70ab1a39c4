import AsyncHTTPClient

/// Asks a process at its health port.
struct HealthProbe: Sendable {
    let host: String
    let port: Int

    /// Whether it says that it is ready; no answer within two seconds means that it is not.
    func isReady() async -> Bool {
        let request = HTTPClientRequest(url: "http://\(host):\(port)/health/ready")
        guard let response = try? await PlainHTTP.client.execute(request, timeout: .seconds(2)) else { return false }
        _ = try? await response.body.collect(upTo: 64 << 10)
        return response.status == .ok
    }
}
