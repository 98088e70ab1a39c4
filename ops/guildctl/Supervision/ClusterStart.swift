import Foundation

/// Brings a cluster to the point where it serves: processes, readiness, and on the first start an owner and a bot.
struct ClusterStart {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    let plan: ClusterPlan
    let limit: Duration
    let supervisor: Supervisor
    /// Whether the first start makes an owner and a bot; a cluster that a backup is to be restored into stays empty.
    var createsAccounts = true

    /// Starts the processes and waits until all of them serve.
    ///
    /// - Returns: the cluster's file, complete, as it lies on the disk.
    func run() async throws -> ClusterFile {
        let adminToken = try adminToken()
        let processes = try plan.processes()
        for process in processes {
            try plan.folder.write(Data(process.configuration.utf8), to: process.configurationFile)
        }
        for process in processes { await supervisor.start(process) }
        let impatient = AdminClient(endpoint: plan.url, token: adminToken, timeout: .seconds(5))
        try await waitUntilReady(impatient, count: processes.count)
        // Hashing a password takes its time on a busy machine.
        let client = AdminClient(endpoint: plan.url, token: adminToken, timeout: .seconds(30))

        var file =
            try plan.folder.readClusterFile() ?? ClusterFile(url: plan.url, adminToken: adminToken, processes: [])
        file.url = plan.url
        file.adminToken = adminToken
        file.processes = await supervisor.processes
        guard createsAccounts else {
            try plan.folder.write(file)
            return file
        }
        if file.owner == nil {
            file.owner = try await createOwner(client)
            // Kept at once: a start that is cut short between the two must not forget the password.
            try plan.folder.write(file)
        }
        if file.bot == nil {
            let bot = try await client.createBot(NewBot(name: "guildhall-bot", ownerId: file.owner?.id))
            file.bot = .init(id: bot.id, applicationID: bot.applicationId, token: bot.token)
        }
        try plan.folder.write(file)
        return file
    }

    private func waitUntilReady(_ client: AdminClient, count: Int) async throws {
        let deadline = ContinuousClock.now.advanced(by: limit)
        var lastReason = "nothing was asked yet"
        while ContinuousClock.now < deadline {
            if let failure = await supervisor.hopeless { throw failure }
            do {
                let cluster = try await client.cluster()
                let nodes = try await client.nodes()
                let running = await supervisor.processes
                var missing: [String] = []
                // etcd is no member of the cluster; without it the router would not answer.
                for process in running.filter({ $0.role != ProcessPlan.Role.etcd.rawValue })
                where !(await isReady(process, among: nodes)) {
                    missing.append(process.name)
                }
                if cluster.isReady && missing.isEmpty && running.count == count { return }
                lastReason =
                    missing.isEmpty
                    ? "the router waits for: \((cluster.waitingFor ?? ["all processes"]).joined(separator: "; "))"
                    : "not ready yet: \(missing.joined(separator: ", "))"
            } catch AdminFailure.refused(let status, let message) where status != 503 {
                throw Failure(description: "the router refused the supervisor's request (\(status)): \(message)")
            } catch {
                lastReason = "\(error)"
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw Failure(description: "not ready after \(limit.components.seconds) s: \(lastReason)")
    }

    /// Whether the process is registered in its role (another may have had its name) and says itself that it is ready.
    private func isReady(_ process: ClusterFile.Process, among nodes: [NodesAnswer.Node]) async -> Bool {
        guard let node = nodes.first(where: { $0.pid == process.pid && $0.roles.contains(process.role) }) else {
            return false
        }
        return await HealthProbe(host: node.host, port: node.healthPort).isReady()
    }

    private func createOwner(_ client: AdminClient) async throws -> ClusterFile.Owner {
        let password = ClusterStart.secret(bytes: 18)
        do {
            return try await createOwner(client, named: "owner", password: password)
        } catch AdminFailure.refused(let status, _) where status == 400 {
            // The name is taken: an earlier start was cut short right after it had made the account.
            let digits = String(UInt32.random(in: 0 ... .max), radix: 16)
            return try await createOwner(client, named: "owner_\(digits)", password: password)
        }
    }

    private func createOwner(
        _ client: AdminClient, named name: String, password: String
    ) async throws -> ClusterFile.Owner {
        let email = "\(name)@guildhall.example"
        let user = try await client.createUser(NewUser(username: name, email: email, password: password))
        return .init(id: user.id, email: email, password: password, token: user.token)
    }

    /// The token of the data folder; made on the first start.
    private func adminToken() throws -> String {
        if let text = try? String(contentsOfFile: plan.folder.adminTokenFile, encoding: .utf8) {
            let token = text.trimmingCharacters(in: .whitespacesAndNewlines)
            guard !token.isEmpty else { throw Failure(description: "\(plan.folder.adminTokenFile) is empty") }
            return token
        }
        let token = ClusterStart.secret(bytes: 32)
        try plan.folder.write(Data("\(token)\n".utf8), to: plan.folder.adminTokenFile)
        return token
    }

    /// Random bytes of the system in base64url.
    private static func secret(bytes count: Int) -> String {
        var generator = SystemRandomNumberGenerator()
        let bytes = Data((0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) })
        return bytes.base64EncodedString().replacingOccurrences(of: "+", with: "-")
            .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
    }
}
