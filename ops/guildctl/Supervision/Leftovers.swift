import Foundation

/// Children of an earlier supervisor that was killed. The kernel has asked them to stop; they may need a moment.
struct Leftovers {
    static let limit = Duration.seconds(20)

    let folder: DataFolder

    /// Waits until none is left; kills those that do not end in time.
    func end(note: (String) -> Void) async throws {
        var remaining = pids()
        guard !remaining.isEmpty else { return }
        note("waiting for \(remaining.count) processes of an earlier start to end")
        for pid in remaining { kill(pid, SIGTERM) }
        let deadline = ContinuousClock.now.advanced(by: Leftovers.limit)
        while !remaining.isEmpty {
            if ContinuousClock.now > deadline {
                for pid in remaining { kill(pid, SIGKILL) }
            }
            try await Task.sleep(for: .milliseconds(50))
            remaining = pids()
        }
    }

    /// The processes that the pid files name and that really are of this folder: a pid may have a new owner.
    private func pids() -> [pid_t] {
        let run = "\(folder.path)/run"
        let files = (try? FileManager.default.contentsOfDirectory(atPath: run)) ?? []
        return files.filter { $0.hasSuffix(".pid") }.compactMap { file in
            let name = String(file.dropLast(4))
            guard let text = try? String(contentsOfFile: "\(run)/\(file)", encoding: .utf8),
                let pid = pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)),
                let words = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline"),
                words.split(separator: 0).contains(where: { $0.elementsEqual(folder.configuration(of: name).utf8) })
            else { return nil }
            return pid
        }
    }
}
