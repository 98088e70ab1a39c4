import Backup
import Coordination
import Identity
import NIOCore
import ObjectStore
import Routing
import Storage
import Synchronization
import Transport
import Wire

/// Serves `backup` calls: a ``BackupCall`` in, a ``BackupReply`` out.
///
/// A call begins its work, or joins it, and is answered when it is done or after some seconds with how far it is; the
/// caller asks again. What is done is known from the object store and the slots, so it outlives this process.
final class BackupService: CallHandler {
    /// How long a call waits for the work: below the deadline of the operators' API.
    private static let patience: Duration = .seconds(5)
    /// Pieces of work under way at once on one node.
    private static let maximumJobs = 64

    private final class Job: Sendable {
        let progress = BackupProgress()
        let result = Mutex<Result<BackupReply, CallFailure>?>(nil)
        let task = Mutex<Task<Void, Never>?>(nil)
    }

    private struct State {
        var jobs: [BackupCall: Job] = [:]
        var paces: [Int: Pace] = [:]
        var isStopping = false
    }

    private let node: @Sendable () -> SlotNode?
    private let services: @Sendable () -> NodeServices?
    private let credentials: AWSCredentialsSource
    private let state = Mutex(State())

    init(
        node: @escaping @Sendable () -> SlotNode?, services: @escaping @Sendable () -> NodeServices?,
        credentials: AWSCredentialsSource
    ) {
        self.node = node
        self.services = services
        self.credentials = credentials
    }

    func handle(_ call: InboundCall) async throws(CallFailure) -> ByteBuffer {
        let request: BackupCall
        do { request = try BackupCall(decoding: call.body) } catch {
            throw .refused("the call cannot be decoded: \(error)")
        }
        guard let node = node(), let services = services() else { throw .refused("the guild role is starting") }
        guard services.view.row(request.slot)?.primary == services.node else {
            throw .refused("slot \(request.slot) has another primary")
        }
        let job = try begin(request, node, services)
        let end = ContinuousClock.now + BackupService.patience
        var pause = Duration.milliseconds(2)
        while ContinuousClock.now < end, !Task.isCancelled {
            if let result = job.result.withLock({ $0 }) {
                state.withLock { if $0.jobs[request] === job { $0.jobs[request] = nil } }
                return try result.get().encoded()
            }
            try? await Task.sleep(for: pause)
            pause = min(pause * 2, .milliseconds(50))
        }
        let done = job.progress.value
        return BackupReply(isDone: false, bytes: done.bytes, records: done.records).encoded()
    }

    /// Nothing touches the store any more when this returns.
    func stop() async {
        let jobs = state.withLock { state in
            state.isStopping = true
            return Array(state.jobs.values)
        }
        for job in jobs { job.task.withLock { $0 }?.cancel() }
        for job in jobs { await job.task.withLock { $0 }?.value }
    }

    private func begin(
        _ request: BackupCall, _ node: SlotNode, _ services: NodeServices
    ) throws(CallFailure) -> Job {
        let found = state.withLock { state -> Result<(job: Job, pace: Pace?), CallFailure> in
            if state.isStopping { return .failure(.refused("the node stops")) }
            if let job = state.jobs[request] { return .success((job, nil)) }
            guard state.jobs.count < BackupService.maximumJobs else { return .failure(.overloaded) }
            let job = Job()
            state.jobs[request] = job
            let pace = state.paces[request.bytesPerSecond] ?? Pace(bytesPerSecond: request.bytesPerSecond)
            // One rate at a time is usual; others' are forgotten.
            state.paces = [request.bytesPerSecond: pace]
            return .success((job, pace))
        }
        let (job, pace) = try found.get()
        guard let pace else { return job }
        let task = Task { [self] in
            let result: Result<BackupReply, CallFailure>
            do {
                result = .success(try await carryOut(request, node, services, pace, job.progress))
            } catch {
                services.logger.warning(
                    "a step of a backup failed",
                    metadata: ["step": "\(request.step)", "slot": "\(request.slot)", "error": "\(error)"])
                result = .failure(.refused("slot \(request.slot): \(error)"))
            }
            job.result.withLock { $0 = result }
        }
        job.task.withLock { $0 = task }
        return job
    }

    private func carryOut(
        _ request: BackupCall, _ node: SlotNode, _ services: NodeServices, _ pace: Pace, _ progress: BackupProgress
    ) async throws -> BackupReply {
        guard let id = BackupID(request.backup) else {
            throw BackupFailure.invalid("'\(request.backup)' names no backup")
        }
        let parent = BackupID(request.parent)
        guard request.parent.isEmpty || parent != nil else {
            throw BackupFailure.invalid("'\(request.parent)' names no backup")
        }
        let catalog = BackupCatalog(store: try ObjectLocation(request.location).open(credentials: credentials))
        let backup = SlotBackup(
            node: node, catalog: catalog, id: id, parent: parent, slot: request.slot, cluster: services.cluster,
            clock: services.clock, pace: pace, progress: progress)
        let restore = SlotRestore(
            node: node, caller: services.slots, catalog: catalog, id: id, slot: request.slot, pace: pace,
            progress: progress)
        switch request.step {
        case .rows: return try await backup.rows()
        case .entries: return try await backup.entries()
        case .check: return try await restore.check()
        case .load: return try await restore.load()
        case .finish: return try await restore.finish()
        case .record: return try await putRecord(id, catalog, services)
        case .adopt: return try await adoptSecret(id, catalog, services, checksum: request.checksum)
        }
    }

    // MARK: The cluster's record

    /// The record goes from here to the store, and through nobody's hands: it holds the secret of tokens.
    private func putRecord(_ id: BackupID, _ catalog: BackupCatalog, _ services: NodeServices) async throws
        -> BackupReply
    {
        guard let record = try await ClusterRecord.find(in: services.coordinator) else {
            throw ClusterFailure.notInitialised
        }
        let content = ObjectContent.bytes(record.encoded())
        try await catalog.store.put(id.recordKey, content)
        return BackupReply(isDone: true, bytes: content.size, records: 1, detail: content.checksum.hexadecimal)
    }

    private func adoptSecret(
        _ id: BackupID, _ catalog: BackupCatalog, _ services: NodeServices, checksum: String
    ) async throws -> BackupReply {
        let bytes = try await catalog.store.collect(id.recordKey, limit: 1 << 20)
        guard ObjectChecksum(of: bytes).hexadecimal == checksum else {
            throw BackupFailure.damaged(object: id.recordKey.text, reason: "its checksum is another")
        }
        let old = try ClusterRecord(decoding: bytes)
        guard let entry = try await services.coordinator.get(CoordinatorKey.cluster) else {
            throw ClusterFailure.notInitialised
        }
        var record = try ClusterRecord(decoding: entry.value)
        guard record.tokenSecretBytes != old.tokenSecretBytes else { return BackupReply(isDone: true) }
        record.tokenSecretBytes = old.tokenSecretBytes
        let swap = CoordinatorTransaction(
            conditions: [.revision(CoordinatorKey.cluster, entry.revision)],
            operations: [.put(CoordinatorKey.cluster, record.encoded(), lease: nil)])
        guard try await services.coordinator.commit(swap) != nil else {
            throw BackupFailure.invalid("somebody else has changed the cluster's record")
        }
        services.logger.notice("tokens are signed with the backup's secret after the next start of each process")
        return BackupReply(isDone: true, records: 1)
    }
}
