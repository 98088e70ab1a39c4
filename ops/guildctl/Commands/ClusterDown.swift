import ArgumentParser
import Foundation

struct ClusterDown: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "down", abstract: "Stops the cluster that runs on a data folder, and waits for its end.")

    @Option(help: "The folder that the cluster lives in.")
    var data = "data"

    @Option(help: "Seconds to wait before the supervisor is killed.")
    var limit = 45

    func run() async throws {
        let folder = DataFolder(path: data)
        guard let supervisor = DataLock.holder(of: folder) else {
            Console.note("no cluster runs on \(folder.path)")
            return
        }
        kill(supervisor, SIGTERM)
        let deadline = ContinuousClock.now.advanced(by: .seconds(limit))
        while DataLock.holder(of: folder) == supervisor {
            if ContinuousClock.now > deadline {
                Console.note(
                    "guildctl: the supervisor (pid \(supervisor)) has not stopped within \(limit) s: killing it")
                kill(supervisor, SIGKILL)
                try await Leftovers(folder: folder).end { Console.note($0) }
                throw ExitStatus.failed
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        Console.result("stopped")
    }
}
