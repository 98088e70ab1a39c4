import ArgumentParser
import Foundation

/// Which cluster a command talks to, and how its result is printed.
struct ConnectionOptions: ParsableArguments {
    @Option(help: "The router, as http://host:port. (default: $GUILDCTL_ENDPOINT, else as cluster.json says)")
    var endpoint: String?

    @Option(help: "The file that holds the admin token. (default: $GUILDCTL_TOKEN_FILE, else as cluster.json says)")
    var tokenFile: String?

    @Option(help: "The cluster's data folder. (default: $GUILDCTL_DATA, else ./data)")
    var data: String?

    @Flag(help: "Print JSON for scripts instead of a table.")
    var json = false

    func client() throws(AdminFailure) -> AdminClient {
        let environment = ProcessInfo.processInfo.environment
        let endpoint = endpoint ?? environment["GUILDCTL_ENDPOINT"]
        let tokenFile = tokenFile ?? environment["GUILDCTL_TOKEN_FILE"]
        if let endpoint, let tokenFile {
            return AdminClient(endpoint: endpoint, token: try ConnectionOptions.token(in: tokenFile))
        }
        let folder = DataFolder(path: data ?? environment["GUILDCTL_DATA"] ?? "data")
        let file: ClusterFile
        do {
            guard let found = try folder.readClusterFile() else {
                throw AdminFailure.noCluster(
                    "\(folder.clusterFile) does not exist: start a cluster, or give --data, or --endpoint and --token-file"
                )
            }
            file = found
        } catch let failure as AdminFailure {
            throw failure
        } catch {
            throw .noCluster("\(folder.clusterFile) cannot be read: \(error)")
        }
        let token = if let tokenFile { try ConnectionOptions.token(in: tokenFile) } else { file.adminToken }
        return AdminClient(endpoint: endpoint ?? file.url, token: token)
    }

    /// The processes that a supervisor on this machine's data folder keeps running, by name; none where no one runs.
    func supervised() -> Set<String> {
        let folder = DataFolder(path: data ?? ProcessInfo.processInfo.environment["GUILDCTL_DATA"] ?? "data")
        guard DataLock.holder(of: folder) != nil, let file = try? folder.readClusterFile() else { return [] }
        return Set(file.processes.map(\.name))
    }

    private static func token(in path: String) throws(AdminFailure) -> String {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw .noCluster("the admin token's file \(path) cannot be read")
        }
        let token = text.trimmingCharacters(in: .whitespacesAndNewlines)
        // Checked here, so that whatever the file holds is neither sent nor shown.
        guard !token.isEmpty, token.utf8.allSatisfy({ (33...126).contains($0) }) else {
            throw .noCluster("the file \(path) does not hold an admin token, which is one line of visible ASCII")
        }
        return token
    }

    /// Runs `body` against the cluster; a failure is printed and becomes the exit code.
    func run(_ body: (AdminClient) async throws -> Void) async throws {
        do {
            try await body(try client())
        } catch let failure as AdminFailure {
            Console.note("guildctl: \(failure)")
            throw failure.exitCode
        }
    }
}
