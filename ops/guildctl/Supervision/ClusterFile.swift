import Foundation

/// `DATA/cluster.json`: how scripts reach the cluster. It holds secrets, so its mode is 600.
struct ClusterFile: Codable, Equatable, Sendable {
    struct Owner: Codable, Equatable, Sendable {
        var id: String
        var email: String
        var password: String
        var token: String
    }

    struct Bot: Codable, Equatable, Sendable {
        var id: String
        var applicationID: String
        var token: String

        enum CodingKeys: String, CodingKey {
            case id
            case applicationID = "application_id"
            case token
        }
    }

    struct Process: Codable, Equatable, Sendable {
        var name: String
        var role: String
        var pid: Int32
        /// The path of its log.
        var log: String
    }

    /// The router, as `http://127.0.0.1:PORT`.
    var url: String
    var adminToken: String
    /// Absent until the first start has created it; likewise ``bot``.
    var owner: Owner?
    var bot: Bot?
    var processes: [Process]

    enum CodingKeys: String, CodingKey {
        case url
        case adminToken = "admin_token"
        case owner, bot, processes
    }
}
