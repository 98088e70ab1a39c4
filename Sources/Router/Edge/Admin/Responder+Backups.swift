import Identity
import NIOCore
import Transport
import Wire

/// Steps of backups and restores, which the nodes do: the router only passes them on.
extension Responder {
    private struct Step: Decodable {
        var step: String
        var slot: Int
        var location: String
        var backupId: String
        var parentId: String?
        var checksum: String?
        var bytesPerSecond: Int?
    }

    private struct Outcome: Encodable {
        var isDone: Bool
        var bytes: Int
        var records: Int
        var detail: String
    }

    private static let steps: [String: BackupCall.Step] = [
        "rows": .rows, "entries": .entries, "record": .record, "check": .check, "load": .load, "finish": .finish,
        "adopt": .adopt,
    ]

    func backupStep(_ request: EdgeRequest) async throws(EdgeError) -> EdgeResponse {
        let body: Step = try JSON.decode(request.body)
        guard let step = Self.steps[body.step] else {
            throw .invalidForm("step", code: "BASE_TYPE_CHOICES", "There is no such step")
        }
        guard (0..<Int(Slot.count)).contains(body.slot) else {
            throw .invalidForm("slot", code: "NUMBER_TYPE_MAX", "A slot is 0 to \(Int(Slot.count) - 1)")
        }
        guard body.location.utf8.count <= 2_048, (0...1 << 40).contains(body.bytesPerSecond ?? 0) else {
            throw .invalidForm("location", code: "BASE_TYPE_BAD_LENGTH", "At most 2048 bytes, and a rate that is one")
        }
        let call = BackupCall(
            step: step, slot: Slot(truncating: UInt64(body.slot)), location: body.location, backup: body.backupId,
            parent: body.parentId ?? "", checksum: body.checksum ?? "", bytesPerSecond: body.bytesPerSecond ?? 0)
        do throws(CallFailure) {
            let reply = try await service.operators.backup(call, request.deadline)
            return EdgeResponse(
                status: .ok,
                body: JSON.encode(
                    Outcome(isDone: reply.isDone, bytes: reply.bytes, records: reply.records, detail: reply.detail)))
        } catch .refused(let reason) {
            throw EdgeError(.conflict, reason)
        } catch {
            service.logger.info("a step of a backup was not answered", metadata: ["error": "\(error)"])
            throw .unavailable
        }
    }
}
