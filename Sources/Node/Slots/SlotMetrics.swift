import Metrics

/// What the slots' runtime counts and measures.
struct SlotMetrics: Sendable {
    let commands = Counter(label: "guildhall_slot_commands_total")
    let refused = Counter(label: "guildhall_slot_commands_unavailable_total")
    let faults = Counter(label: "guildhall_slot_command_faults_total")
    /// From a command's run to the answer.
    let commitLatency = Timer(label: "guildhall_slot_commit_seconds")
    let batchEntries = Recorder(label: "guildhall_log_batch_entries")
    let batchBytes = Recorder(label: "guildhall_log_batch_bytes")
    let syncLatency = Timer(label: "guildhall_log_sync_seconds")
    let logQueueBytes = Gauge(label: "guildhall_log_queue_bytes")
    /// Of the disk under the node's data, in bytes; and 0, 1 when an operator should act, 2 when no writes are taken.
    let diskUsed = Gauge(label: "guildhall_disk_used_bytes")
    let diskAvailable = Gauge(label: "guildhall_disk_available_bytes")
    let diskPressure = Gauge(label: "guildhall_disk_pressure")
    let slotsServed = Gauge(label: "guildhall_slots_served")
    let pendingCommands = Gauge(label: "guildhall_slot_pending_commands")
    let ringEvents = Gauge(label: "guildhall_event_ring_events")
    let ringBytes = Gauge(label: "guildhall_event_ring_bytes")
    let eventsSent = Counter(label: "guildhall_events_sent_total")
    let streamsShed = Counter(label: "guildhall_event_streams_shed_total")
    let outboxDelivered = Counter(label: "guildhall_outbox_effects_total")
    let outboxFailed = Counter(label: "guildhall_outbox_failures_total")
}
