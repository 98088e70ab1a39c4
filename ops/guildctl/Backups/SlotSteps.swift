import Identity
import NIOCore

/// Has one step done for every slot, some slots at a time, each by its primary.
struct SlotSteps: Sendable {
    /// Failures of one slot in a row after which the command gives up; a new primary is there long before.
    static let patience = 30

    let client: AdminClient
    let location: String
    let backup: String
    var parent: String?
    var bytesPerSecond = 0
    /// Slots under way at once.
    var concurrency = 16

    /// - Parameter done: called with each slot that is done; its bytes are for the progress bar.
    func run(
        _ step: String, title: String, _ done: @escaping @Sendable (Slot, BackupStepAnswer) async throws -> Void
    ) async throws {
        let slots = (0..<Int(Slot.count)).map { Slot(truncating: UInt64($0)) }
        let bar = ProgressBar(title, total: slots.count)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for (number, slot) in slots.enumerated() {
                if number >= concurrency { try await tasks.next() }
                tasks.addTask {
                    let answer = try await one(step, slot)
                    try await done(slot, answer)
                    bar.advance(bytes: answer.bytes)
                }
            }
            try await tasks.waitForAll()
        }
    }

    func one(_ step: String, _ slot: Slot, checksum: String? = nil) async throws -> BackupStepAnswer {
        let request = BackupStep(
            step: step, slot: Int(slot.rawValue), location: location, backupId: backup, parentId: parent,
            checksum: checksum, bytesPerSecond: bytesPerSecond)
        var failures = 0
        while true {
            do throws(AdminFailure) {
                let answer = try await client.backupStep(request)
                if answer.isDone { return answer }
                failures = 0
            } catch {
                failures += 1
                guard SlotSteps.isPassing(error), failures < SlotSteps.patience else { throw error }
                try await Task.sleep(for: .seconds(1))
            }
        }
    }

    /// A node that dies or gives its slots away is a matter of seconds.
    private static func isPassing(_ failure: AdminFailure) -> Bool {
        switch failure {
        case .unreachable: true
        case .refused(let status, let message):
            status == 503 || status == 520 || message.contains("another primary") || message.contains("is starting")
                || message.contains("the node stops") || message.contains("deadlineExceeded")
        case .unexpectedAnswer, .noCluster: false
        }
    }
}
