import Foundation
import Identity
import NIOCore
import Slots
import Synchronization
import Testing
import Wire

/// `kill -9` under load, in a process of its own, and what is there when the data is opened again.
@Suite struct KillTests {
    static let slots = [Slot(truncating: 7), Slot(truncating: 300), Slot(truncating: 301)]
    static let writers = 12

    /// Appends each acknowledged answer to a file; a kill does not take back what was handed to the kernel.
    final class Acknowledged: Sendable {
        private let descriptor: Int32
        private let count = Atomic(0)

        init(_ path: String) { descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND, 0o600) }

        /// - Returns: how many there are now.
        func add(_ line: String) -> Int {
            let bytes = Array((line + "\n").utf8)
            precondition(write(descriptor, bytes, bytes.count) == bytes.count, "the file takes the line")
            return count.add(1, ordering: .relaxed).newValue
        }
    }

    static func load(_ folder: String, start: UInt64, killAfter: Int) async throws {
        let node = try await TestNode(folder + "/data", start: start, slots: slots)
        let acknowledged = Acknowledged(folder + "/acknowledged")
        await withTaskGroup(of: Void.self) { tasks in
            for writer in 0..<writers {
                tasks.addTask {
                    while true {
                        let slot = slots[writer % slots.count]
                        let text = try? await node.text(
                            "increment", ["name": "a", "event": "E"], body: String(repeating: "x", count: 300),
                            id: node.requestID(), slot: slot)
                        guard let text else { exit(3) }
                        if acknowledged.add("\(slot) \(text)") >= killAfter { kill(getpid(), SIGKILL) }
                    }
                }
            }
        }
    }

    @Test func everyAcknowledgedCommandIsThereOnceAfterEachKill() async throws {
        let folder = try TemporaryFolder()
        let path = folder.path
        for round in UInt64(1)...4 {
            await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String, round = round as UInt64] in
                try await KillTests.load(path, start: round, killAfter: 1500)
            }
        }
        let lines = try String(contentsOfFile: path + "/acknowledged", encoding: .utf8).split(separator: "\n")
        #expect(lines.count >= 6000)
        var values: [Slot: [Int]] = [:]
        var ids: [Slot: [Int: UInt64]] = [:]
        for line in lines {
            let parts = line.split(separator: " ")
            let slot = Slot(truncating: try #require(UInt64(parts[0])))
            let value = try #require(Int(parts[1]))
            values[slot, default: []].append(value)
            ids[slot, default: [:]][value] = try #require(UInt64(parts[2]))
        }
        let node = try await TestNode(path + "/data", start: 9, slots: Self.slots)
        for slot in Self.slots {
            let seen = try #require(values[slot])
            // Each acknowledged increment had a value of its own, and none is lost; of those whose answer did not
            // come any more, at most one a writer and round was executed.
            #expect(Set(seen).count == seen.count)
            let total = try await node.counter("a", slot: slot)
            #expect(total >= seen.max() ?? 0)
            #expect(total - seen.count <= 4 * Self.writers / Self.slots.count)
            #expect(try await node.text("count_messages", slot: slot) == "\(total)")
            // Ids rise with the values, over restarts too.
            let inOrder = try #require(ids[slot]).sorted { $0.key < $1.key }.map(\.value)
            #expect(zip(inOrder, inOrder.dropFirst()).allSatisfy { $0 < $1 })
            let next = try await node.text("increment", ["name": "a"], slot: slot)
            #expect(try #require(UInt64(next.split(separator: " ")[1])) > (inOrder.max() ?? 0))
        }
        await node.close()
    }
}
