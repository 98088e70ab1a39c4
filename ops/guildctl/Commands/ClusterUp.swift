import ArgumentParser
import Foundation

struct ClusterUp: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up", abstract: "Starts a cluster of separate processes on this machine and keeps it running.",
        discussion: """
            The processes are started again when they die. Ctrl-C or SIGTERM stops them all in order; a second one \
            kills them. The data folder gets config/, log/, run/, a folder for each process's data, and cluster.json \
            (mode 600) with the address, the tokens and the processes.
            """)

    /// The port that is tried when none is asked for and the folder has no cluster yet.
    static let usualPort = 8080

    @Option(help: "The folder that the cluster lives in.")
    var data = "data"

    @Option(help: "How many guild nodes: they hold guilds, users and messages.")
    var guildNodes = 3

    @Option(help: "How many gateway nodes: they hold the clients' WebSockets.")
    var gatewayNodes = 2

    @Option(help: "How many voice nodes. This version has none.")
    var voiceNodes = 0

    @Option(
        help: """
            The port for clients on 127.0.0.1; 0: assigned by the system. (default: the one of the last start, else \
            8080, else assigned)
            """)
    var port: Int?

    @Option(
        help: """
            embedded: kept by the router; etcd: one etcd, started like the other processes, for trying out; \
            etcd:URL[,URL...]: an etcd that is there. (default: as at the last start, else embedded)
            """)
    var coordinator: String?

    @Flag(help: "Return when the cluster serves; it runs on without the terminal.")
    var detach = false

    @Flag(help: "Create the cluster for tests: its clock can be moved. Only at the first start on a data folder.")
    var testClock = false

    @Flag(help: "Make no owner and no bot: the cluster stays empty, for `guildctl restore`.")
    var withoutAccounts = false

    @Option(help: "Of every process: trace, debug, info, notice, warning or error.")
    var logLevel = "info"

    @Option(help: "Seconds until the cluster must serve.")
    var startLimit = 120

    @Flag(help: .hidden)
    var reportReady = false

    func validate() throws {
        guard (1...64).contains(guildNodes) else { throw ValidationError("--guild-nodes is 1 to 64") }
        guard (1...64).contains(gatewayNodes) else { throw ValidationError("--gateway-nodes is 1 to 64") }
        guard voiceNodes == 0 else { throw ValidationError("--voice-nodes: this version has no voice nodes yet") }
        guard (0...65535).contains(port ?? 0) else { throw ValidationError("--port is 0 to 65535") }
        guard (1...3600).contains(startLimit) else { throw ValidationError("--start-limit is 1 to 3600 seconds") }
        guard ["trace", "debug", "info", "notice", "warning", "error"].contains(logLevel) else {
            throw ValidationError("--log-level '\(logLevel)' is not a level")
        }
    }

    func run() async throws {
        let folder = DataFolder(path: data)
        do {
            try folder.create()
            if detach {
                try startDetached(folder)
            } else {
                try await supervise(folder)
            }
        } catch let code as ExitCode {
            throw code
        } catch {
            Console.note("guildctl: \(error)")
            throw ExitStatus.failed
        }
    }

    private func startDetached(_ folder: DataFolder) throws {
        let arguments = CommandLine.arguments.dropFirst().filter { $0 != "--detach" } + ["--report-ready"]
        guard let text = try Detached(folder: folder).start(Array(arguments)) else {
            Console.note("guildctl: the cluster did not start; the end of \(folder.supervisorLog):")
            Console.note(LogTail(path: folder.supervisorLog).lines(12))
            throw ExitStatus.failed
        }
        Console.result(text)
    }

    private func supervise(_ folder: DataFolder) async throws {
        guard let lock = try DataLock(folder: folder) else {
            let holder = DataLock.holder(of: folder).map { " (pid \($0))" } ?? ""
            Console.note("guildctl: a cluster already runs on \(folder.path)\(holder)")
            throw ExitStatus.failed
        }
        defer { withExtendedLifetime(lock) {} }
        if reportReady { Detached.keepFromChildren() }
        let signals = StopSignal.stream()
        let note: @Sendable (String) -> Void = { Console.note("\(Date.now.formatted(.iso8601)) \($0)") }
        try await Leftovers(folder: folder).end(note: note)

        let supervisor = Supervisor(note: note)
        let plan = try await plan(folder)
        let start = Task {
            try await ClusterStart(
                plan: plan, limit: .seconds(startLimit), supervisor: supervisor, createsAccounts: !withoutAccounts
            ).run()
        }
        let stopRequest = AsyncStream<Never>.makeStream()
        let watch = Task {
            var isFirst = true
            for await signal in signals {
                note("\(String(cString: strsignal(signal))): \(isFirst ? "stopping; once more to kill" : "killing")")
                if !isFirst { await supervisor.killAll() }
                isFirst = false
                start.cancel()
                stopRequest.continuation.finish()
            }
        }
        var failure: (any Error)?
        do {
            let file = try await start.value
            await supervisor.establish { processes in
                var file = file
                file.processes = processes
                do { try folder.write(file) } catch { note("\(folder.clusterFile) cannot be written: \(error)") }
            }
            let text = ClusterUp.text(of: file, folder: folder)
            if reportReady { Detached.report(text) }
            Console.result(text)
            for await _ in stopRequest.stream {}
        } catch  where !start.isCancelled {
            failure = error
            note("\(error)")
            if let died = error as? Supervisor.Failure { ClusterUp.showLog(of: died, folder) }
        } catch {}
        await supervisor.stop()
        watch.cancel()
        note("stopped")
        if failure != nil { throw ExitStatus.failed }
    }

    private func plan(_ folder: DataFolder) async throws -> ClusterPlan {
        let spare = try FreePorts.assigned(4)
        return ClusterPlan(
            folder: folder, programs: (try ClusterUp.executable() as NSString).deletingLastPathComponent,
            guildNodes: guildNodes,
            gatewayNodes: gatewayNodes, clientPort: try clientPort(folder, spare: spare[0]), coordinatorPort: spare[1],
            isTestCluster: testClock, logLevel: logLevel,
            coordinator: try await .choose(coordinator, in: folder, ports: (spare[2], spare[3])))
    }

    private func clientPort(_ folder: DataFolder, spare: Int) throws -> Int {
        if let port {
            guard port == 0 || FreePorts.isFree(port) else {
                Console.note("guildctl: port \(port) on 127.0.0.1 is in use; --port 0 lets the system choose")
                throw ExitStatus.failed
            }
            return port == 0 ? spare : port
        }
        let last = try folder.readClusterFile().flatMap { URLComponents(string: $0.url)?.port }
        for candidate in [last, ClusterUp.usualPort] {
            if let candidate, FreePorts.isFree(candidate) { return candidate }
        }
        Console.note("port \(last ?? ClusterUp.usualPort) on 127.0.0.1 is in use: taking another")
        return spare
    }

    /// The path of this program.
    private static func executable() throws -> String {
        try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    }

    private static func showLog(of failure: Supervisor.Failure, _ folder: DataFolder) {
        let log = folder.log(of: failure.process)
        Console.note("the end of \(log):")
        Console.note(LogTail(path: log).lines(12))
    }

    private static func text(of file: ClusterFile, folder: DataFolder) -> String {
        let program = (try? executable()) ?? "guildctl"
        var lines = ["ready: \(file.url)", ""]
        if let owner = file.owner { lines.append("  owner      \(owner.email), password \(owner.password)") }
        if let bot = file.bot { lines.append("  bot token  \(bot.token)") }
        lines += [
            "  base URL   \(file.url)/api/v10   (for a bot; README.md shows where it goes)",
            "  status     \(program) cluster status --data \(folder.path)",
            "  stop       scripts/run stop --data \(folder.path)",
            "  the same for scripts: \(folder.clusterFile)",
        ]
        return lines.joined(separator: "\n")
    }
}
