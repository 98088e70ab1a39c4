import Coordination
import Foundation
import NIOCore
import Testing

@testable import guildctl

@Suite struct RestartDelayTests {
    @Test func growsWhileAChildKeepsDyingAndStaysBelowTheLongest() {
        var delay = RestartDelay()
        let pauses = (0..<12).map { _ in delay.died(after: .milliseconds(10)) }
        #expect(pauses.first == RestartDelay.first)
        #expect(zip(pauses, pauses.dropFirst()).allSatisfy { $0 <= $1 })
        #expect(pauses.last == RestartDelay.longest)
        #expect(delay.deathsInARow == 12)
    }

    @Test func beginsAnewOnceAChildHasSettled() {
        var delay = RestartDelay()
        for _ in 0..<5 { _ = delay.died(after: .zero) }
        #expect(delay.died(after: RestartDelay.settled) == RestartDelay.first)
        #expect(delay.deathsInARow == 1)
    }
}

@Suite struct StopPhaseTests {
    @Test func stopsTheCoordinatorsProcessLastAndEachRoleOnce() {
        let roles = StopPhase.all.flatMap(\.roles)
        #expect(Set(roles) == Set(ProcessPlan.Role.allCases))
        #expect(roles.count == ProcessPlan.Role.allCases.count)
        #expect(StopPhase.all.suffix(2).map(\.roles) == [[.router], [.etcd]])
        #expect(StopPhase.all.first?.roles == [.gateway])
    }
}

@Suite struct DataFolderTests {
    private func folder(_ name: String = UUID().uuidString) -> DataFolder {
        DataFolder(path: FileManager.default.temporaryDirectory.appendingPathComponent(name).path)
    }

    private func mode(_ path: String) throws -> Int {
        try #require(FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }

    @Test func writesTheClusterFileWithSecretsForItsOwnerAlone() throws {
        let folder = folder()
        try folder.create()
        defer { try? FileManager.default.removeItem(atPath: folder.path) }
        let file = ClusterFile(
            url: "http://127.0.0.1:1", adminToken: "t",
            owner: .init(id: "1", email: "e", password: "p", token: "o"),
            bot: .init(id: "2", applicationID: "2", token: "b"),
            processes: [.init(name: "router-1", role: "router", pid: 7, log: "/l")])
        try folder.write(file)
        #expect(try folder.readClusterFile() == file)
        #expect(try mode(folder.clusterFile) == 0o600)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(!names.contains { $0.hasSuffix(".new") })
        let bytes = try #require(FileManager.default.contents(atPath: folder.clusterFile))
        let object = try #require(try JSONSerialization.jsonObject(with: bytes) as? [String: Any])
        #expect(Set(object.keys) == ["url", "admin_token", "owner", "bot", "processes"])
        #expect((object["bot"] as? [String: String])?["application_id"] == "2")
    }

    @Test func hasNoClusterFileBeforeTheFirstStart() throws {
        #expect(try folder().readClusterFile() == nil)
    }

    @Test func keepsASocketsPathWithinTheKernelsBound() throws {
        let deep = folder(String(repeating: "d", count: 150))
        let socket = try deep.socket(of: "gateway-1")
        #expect(socket.utf8.count <= DataFolder.maximumSocketPath)
        #expect(try socket != folder(String(repeating: "d", count: 149)).socket(of: "gateway-1"))
        try FileManager.default.removeItem(atPath: (socket as NSString).deletingLastPathComponent)
    }

    @Test func isLockedByOneSupervisorAtATime() throws {
        let folder = folder()
        try folder.create()
        defer { try? FileManager.default.removeItem(atPath: folder.path) }
        var lock = try DataLock(folder: folder)
        #expect(lock != nil)
        #expect(try DataLock(folder: folder) == nil)
        #expect(DataLock.holder(of: folder) == getpid())
        lock = nil
        #expect(DataLock.holder(of: folder) == nil)
        #expect(try DataLock(folder: folder) != nil)
    }
}

@Suite struct ProcessLauncherTests {
    private func run(_ script: String) async throws -> (ProcessLauncher.Ending, String) {
        let log = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        defer { unlink(log) }
        let launcher = ProcessLauncher()
        let pid = try await launcher.launch(.init(executable: "/bin/sh", arguments: ["-c", script], log: log))
        let ending = await launcher.ending(of: pid)
        return (ending, try String(contentsOfFile: log, encoding: .utf8))
    }

    @Test func tellsHowAProcessEndedAndKeepsItsOutput() async throws {
        #expect(try await run("echo out; echo err >&2; exit 3") == (.exited(3), "out\nerr\n"))
        #expect(try await run("kill -9 $$").0 == .killed(signal: SIGKILL))
    }

    @Test func startsAProcessInAGroupOfItsOwnThatDiesWithItsParent() async throws {
        // The kernel's word for both: field 5 of stat is the group; and the death signal is inherited by nobody but set
        // by setpriv, which can print it.
        let (_, output) = try await run("cut -d' ' -f1,5 /proc/$$/stat; exec setpriv --dump")
        let lines = output.split(separator: "\n")
        let numbers = try #require(lines.first).split(separator: " ")
        #expect(numbers.count == 2 && numbers[0] == numbers[1])
        #expect(lines.contains { $0.contains("death") && $0.contains("TERM") })
    }

    @Test func handsAChildDefaultSignals() async throws {
        signal(SIGINT, SIG_IGN)
        defer { signal(SIGINT, SIG_DFL) }
        let (_, line) = try await run("grep SigIgn /proc/$$/status | cut -f2")
        let ignored = try #require(UInt64(line.trimmingCharacters(in: .whitespacesAndNewlines), radix: 16))
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT] { #expect(ignored >> UInt64(signal - 1) & 1 == 0) }
    }
}

@Suite struct ClusterPlanTests {
    @Test func namesEveryProcessAndPointsThemToOneCoordinator() throws {
        let plan = ClusterPlan(
            folder: DataFolder(path: "/d a:ta"), programs: "/p", guildNodes: 3, gatewayNodes: 2, clientPort: 1,
            coordinatorPort: 2, isTestCluster: true, logLevel: "info")
        let processes = try plan.processes()
        #expect(processes.map(\.name) == ["router-1", "guild-1", "guild-2", "guild-3", "gateway-1", "gateway-2"])
        #expect(processes[0].configuration.contains("listen.port: \"2\""))
        for node in processes.dropFirst() {
            #expect(node.configuration.contains("cluster.coordinator: \"127.0.0.1:2\""))
        }
        // A colon and a blank in a path stay one value.
        #expect(processes[1].configuration.contains("data: \"/d a:ta/guild-1\"\n"))
    }

    @Test func withEtcdItIsStartedFirstAndStoppedLastAndAllArePointedToIt() throws {
        let plan = ClusterPlan(
            folder: DataFolder(path: "/d"), programs: "/p", guildNodes: 1, gatewayNodes: 1, clientPort: 1,
            coordinatorPort: 2, isTestCluster: false, logLevel: "info",
            coordinator: .supervised(clientPort: 3, peerPort: 4))
        let processes = try plan.processes()
        #expect(processes.map(\.name) == ["etcd", "router-1", "guild-1", "gateway-1"])
        #expect(processes[0].configuration.contains("data-dir: \"/d/etcd\"\n"))
        #expect(processes[0].program.arguments == ["--config-file", processes[0].configurationFile])
        for process in processes.dropFirst() {
            #expect(process.configuration.contains("coordinator.endpoints: \"http://127.0.0.1:3\""))
            #expect(!process.configuration.contains("cluster.coordinator"))
        }
    }

    @Test func aClusterKeepsTheCoordinatorItHasUntilItIsMigrated() async throws {
        let folder = DataFolder(path: NSTemporaryDirectory() + UUID().uuidString)
        defer { try? FileManager.default.removeItem(atPath: folder.path) }
        try folder.create()
        func choose(_ wish: String?) async throws -> PlannedCoordinator {
            try await .choose(wish, in: folder, ports: (3, 4))
        }
        func write(_ coordinator: String) throws {
            try folder.write(Data("node.id: router-1\n\(coordinator)".utf8), to: folder.configuration(of: "router-1"))
        }
        let external = PlannedCoordinator.external(endpoints: ["http://a:1"], prefix: "/guildhall/")
        #expect(try await choose(nil) == .embedded)
        #expect(try await choose("etcd:http://a:1") == external)
        await #expect(throws: PlannedCoordinator.Failure.self) { try await choose("etcd:a:1") }
        await #expect(throws: PlannedCoordinator.Failure.self) { try await choose("zookeeper") }

        try write("")
        let own = try EmbeddedCoordinator(directory: makeFolder(folder.store(of: "router-1") + "/coordinator"))
        await own.close()
        #expect(try await choose(nil) == .embedded)
        await #expect(throws: PlannedCoordinator.Failure.self) { try await choose("etcd:http://a:1") }

        let moved = try EmbeddedCoordinator(directory: folder.store(of: "router-1") + "/coordinator")
        _ = try await moved.commit(
            CoordinatorTransaction(operations: [.put(CoordinatorKey.movedTo, ByteBuffer(string: "a"), lease: nil)]))
        await moved.close()
        #expect(try await choose("etcd:http://a:1") == external)
        try write("coordinator.kind: etcd\ncoordinator.endpoints: \"http://a:1\"\n")
        #expect(try await choose(nil) == external)
    }

    private func makeFolder(_ path: String) throws -> String {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }
}

@Suite struct ClockShiftTests {
    @Test(arguments: [("0", 0), ("90d", 7_776_000_000), ("-12h", -43_200_000), ("30m", 1_800_000), ("-5s", -5000)])
    func readsATimeWithItsUnit(text: String, milliseconds: Int64) {
        #expect(ClockShift(argument: text)?.milliseconds == milliseconds)
    }

    @Test(arguments: ["", "5", "d", "5y", "99999999999999999999d", "9223372036854775807d", "1.5h"])
    func refusesWhatIsNoTime(text: String) {
        #expect(ClockShift(argument: text) == nil)
    }
}

@Suite struct TableTests {
    @Test func alignsColumnsAndLeavesNoTrailingBlanks() {
        var table = Table(["A", "LONG"])
        table.add(["wide cell", "x"])
        #expect(table.text == "A          LONG\nwide cell  x")
    }

    @Test func theHottestGuildsComeBelowTheHottestSlots() {
        var top = TopAnswer(slots: [], guilds: nil)
        let slots = TopCommand.table(of: top)
        #expect(slots.split(separator: "\n").count == 1)
        top.guilds = [
            .init(guild: "77", slot: 3, node: "guild-1", events: 12.5, writtenBytes: 2048, subscriptions: 2)
        ]
        let lines = TopCommand.table(of: top).split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count == 4)
        #expect(lines[0] == slots && lines[1].isEmpty && lines[2].hasPrefix("GUILD"))
        #expect(lines[3].split(separator: " ").prefix(4) == ["77", "3", "guild-1", "12.5"])
    }

    @Test func joinsNeighbouringSlotsThatAreAlike() {
        func shard(_ slot: Int, _ primary: String) -> ShardsAnswer.Shard {
            .init(
                slot: slot, epoch: 1, primary: primary, inSync: [primary], eligible: [], learners: [], isPinned: false)
        }
        let text = ShardList.table(of: [shard(0, "a"), shard(1, "a"), shard(2, "b"), shard(4, "b")])
        #expect(text.split(separator: "\n").dropFirst().map { $0.split(separator: " ")[0] } == ["0-1", "2", "4"])
    }
}
