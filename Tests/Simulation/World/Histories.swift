import Identity

/// What clients were told, against what is stored.
///
/// A channel is a list to which messages are appended; a read returns how many there are and a hash over them. Each
/// answered call so has a place in the list's history: an append the length with its message, a read the length that it
/// saw. The history is linearizable if and only if each read saw a beginning of the list, and no call has an earlier
/// place than one that was answered before it began.
enum Histories {
    static func check(_ world: World) {
        for slot in world.slots.indices {
            guard let row = world.coordinator.rows[slot],
                let host = world.nodes[world.number(of: row.primary)].hosts[slot]
            else { continue }
            for channel in 0..<SlotModel.channelCount { check(world, slot, channel, host.state.channels[channel]) }
        }
        checkEffects(world)
    }

    private static func check(_ world: World, _ slot: Int, _ channel: Int, _ stored: SlotModel.Channel) {
        let name = "slot \(slot) channel \(channel)"
        var places: [Int: Int] = [:]
        var hashes: [UInt64] = [0]
        for (place, item) in stored.items.enumerated() {
            if places.updateValue(place + 1, forKey: item.value) != nil {
                world.oracle.fail("each message once", "\(name): call \(item.value) is stored twice")
            }
            hashes.append(SlotModel.Channel.mix(hashes[place], item.value))
        }
        let calls = world.calls.filter { $0.slot == slot && $0.channel == channel && $0.answered != nil }
        for call in calls {
            if call.kind == .append {
                guard let place = places[call.number] else {
                    world.oracle.fail("what is acknowledged is stored", "\(name): call \(call.number) is lost")
                    continue
                }
                if place != call.version || stored.items[place - 1].id != call.id {
                    world.oracle.fail(
                        "answers are true", "\(name): call \(call.number) was told \(call.version), stored at \(place)")
                }
            } else if call.version >= hashes.count || hashes[call.version] != call.hash {
                world.oracle.fail("reads see committed messages", "\(name): call \(call.number) saw \(call.version)")
            }
        }
        checkOrder(world, name, calls)
    }

    private static func checkOrder(_ world: World, _ name: String, _ calls: [ClientCall]) {
        let begun = calls.sorted { $0.invoked < $1.invoked }
        let ended = calls.sorted { ($0.answered ?? 0) < ($1.answered ?? 0) }
        var latest: ClientCall?
        var next = 0
        for call in begun {
            while next < ended.count, ended[next].answered ?? .max < call.invoked {
                if ended[next].version > latest?.version ?? -1 { latest = ended[next] }
                next += 1
            }
            guard let before = latest else { continue }
            if call.version < before.version || call.kind == .append && call.version == before.version {
                world.oracle.fail(
                    "channels are linearizable",
                    "\(name): \(call.brief) after \(before.brief)")
            }
        }
    }

    private static func checkEffects(_ world: World) {
        for slot in world.slots.indices {
            guard let row = world.coordinator.rows[slot],
                let host = world.nodes[world.number(of: row.primary)].hosts[slot]
            else { continue }
            var received = host.state.received
            world.totals.effects += received.count
            if Set(received).count != received.count {
                world.oracle.fail("each effect once", "slot \(slot) has one twice")
            }
            var sent: [Int] = []
            for source in world.slots.indices {
                for entry in world.oracle.committed[source] {
                    if let effect = entry.effect, effect.destination == slot { sent.append(effect.value) }
                }
            }
            sent.sort()
            received.sort()
            if sent != received { world.oracle.fail("each effect once", "slot \(slot): \(received) of \(sent)") }
        }
    }
}

extension ClientCall {
    fileprivate var brief: String {
        let end = (answered ?? 0) / 1_000_000
        return "call \(number) (\(kind), \(invoked / 1_000_000) to \(end) ms, attempt \(attempt)) at \(version)"
    }
}
