import Foundation
import Glibc

/// Keeps the processes of a cluster running until it is told to stop.
///
/// A child that dies is started again, after a pause that grows while it keeps dying. Stopping goes by phases, so that
/// nobody is asked for an answer by a process whose own source of answers is already gone.
actor Supervisor {
    /// Deaths in a row, before the cluster was ready for the first time, after which the start is given up.
    static let hopelessDeaths = 5

    /// What a process exits with when its settings are wrong (EX_CONFIG of sysexits.h): no second try helps.
    static let misconfigured: Int32 = 78

    struct Failure: Error, CustomStringConvertible {
        let process: String
        let description: String
    }

    private struct Child {
        let plan: ProcessPlan
        var pid: pid_t?
        var watcher: Task<Void, Never>?
    }

    private let launcher = ProcessLauncher()
    private var children: [Child] = []
    private var isStopping = false
    /// Set when a child cannot be brought up; ends the wait for readiness.
    private(set) var hopeless: Failure?
    private var isEstablished = false
    private let note: @Sendable (String) -> Void
    private var onChange: (@Sendable ([ClusterFile.Process]) -> Void)?

    /// - Parameter note: takes lines for the person who watches.
    init(note: @escaping @Sendable (String) -> Void) { self.note = note }

    /// The children that run now.
    var processes: [ClusterFile.Process] {
        children.compactMap { child in
            child.pid.map {
                ClusterFile.Process(
                    name: child.plan.name, role: child.plan.role.rawValue, pid: $0, log: child.plan.program.log)
            }
        }
    }

    func start(_ plan: ProcessPlan) {
        let index = children.count
        children.append(Child(plan: plan))
        children[index].watcher = Task { await keepRunning(index) }
    }

    /// The cluster has served: from now on a dying child is started again for ever.
    ///
    /// - Parameter onChange: told of the running children at once and at each change.
    func establish(onChange: @escaping @Sendable ([ClusterFile.Process]) -> Void) {
        isEstablished = true
        self.onChange = onChange
        onChange(processes)
    }

    /// Stops all children, phase by phase; one that does not end within its phase's limit is killed.
    func stop() async {
        isStopping = true
        for phase in StopPhase.all {
            let stopped = children.filter { phase.roles.contains($0.plan.role) }
            for child in stopped { end(child, with: SIGTERM) }
            let names = Set(stopped.map(\.plan.name))
            let killer = Task {
                try await Task.sleep(for: phase.limit)
                kill(names, after: phase.limit)
            }
            for child in stopped { await child.watcher?.value }
            killer.cancel()
        }
    }

    /// Kills what still runs; for an operator who does not want to wait.
    func killAll() {
        isStopping = true
        for child in children { end(child, with: SIGKILL) }
    }

    private func kill(_ names: Set<String>, after limit: Duration) {
        for child in children where names.contains(child.plan.name) && child.pid != nil {
            note("\(child.plan.name) has not stopped within \(limit.components.seconds) s and is killed")
            end(child, with: SIGKILL)
        }
    }

    private func end(_ child: Child, with signal: Int32) {
        if let pid = child.pid { Glibc.kill(pid, signal) }
        // Ends the pause before a restart.
        child.watcher?.cancel()
    }

    private func keepRunning(_ index: Int) async {
        let plan = children[index].plan
        var delay = RestartDelay()
        while !isStopping {
            let started = ContinuousClock.now
            let reason: String
            var isMisconfigured = false
            do {
                let pid = try await launcher.launch(plan.program)
                children[index].pid = pid
                if isStopping { Glibc.kill(pid, SIGTERM) }
                write(pid, of: plan)
                onChange?(processes)
                let ending = await launcher.ending(of: pid)
                children[index].pid = nil
                reason = "(pid \(pid)) \(ending)"
                isMisconfigured = ending == .exited(Supervisor.misconfigured)
            } catch {
                reason = "cannot be started: \(error)"
            }
            guard !isStopping else { break }
            let pause = delay.died(after: started.duration(to: .now))
            if !isEstablished, isMisconfigured || delay.deathsInARow >= Supervisor.hopelessDeaths {
                hopeless = Failure(
                    process: plan.name,
                    description: "\(plan.name) \(reason)"
                        + (isMisconfigured ? ", its settings are wrong" : ", \(delay.deathsInARow) times in a row"))
                break
            }
            note("\(plan.name) \(reason); it is started again in \(pause); its log: \(plan.program.log)")
            onChange?(processes)
            try? await Task.sleep(for: pause)
        }
        unlink(plan.pidFile)
    }

    private func write(_ pid: pid_t, of plan: ProcessPlan) {
        do {
            try Data("\(pid)\n".utf8).write(to: URL(fileURLWithPath: plan.pidFile))
        } catch {
            note("\(plan.pidFile) cannot be written: \(error)")
        }
    }
}
