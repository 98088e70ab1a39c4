import Domain
import Foundation
import Identity
import NIOCore
import Wire

@testable import Gateway
@testable import Replication
@testable import Slots
@testable import Storage

extension StoredValue {
    /// The runtime's rows: keys and values.
    static var meta: [StoredValue] {
        let request = RequestID(mintedMilliseconds: 1_700_000_000_123, random: 0xabcdef)
        func key(_ name: String, _ key: [UInt8]) -> StoredValue {
            StoredValue("key." + name, encoded: { ByteBuffer(bytes: key) }, recoded: { $0 })
        }
        return [
            key("request", MetaRows.request(request)), key("outbox", MetaRows.outbox(slot, 9)),
            key("outboxLast", MetaRows.outboxLast(slot)), key("inbox", MetaRows.inbox(slot, 99)),
            key("work", MetaRows.work(number.index, number.ordinal)),
            key("lastEvent.guild", MetaRows.lastEvent(.guild(guildID))),
            key("lastEvent.user", MetaRows.lastEvent(.user(userID))), key("incarnation", MetaRows.incarnation),
            StoredValue(
                "meta.number", encoded: { MetaRows.value(258) },
                recoded: { MetaRows.value(MetaRows.number($0) ?? 0) }),
            StoredValue(
                "meta.eventNumber", encoded: { MetaRows.value(number) },
                recoded: { MetaRows.value(MetaRows.eventNumber($0) ?? .zero) }),
            StoredValue(
                "Effect.membershipAdded", Effect.membershipAdded(user: userID, guild: guildID, joinedAt: time)),
            StoredValue("Effect.membershipRemoved", Effect.membershipRemoved(user: userID, guild: guildID)),
            StoredValue("Effect.profileChanged", Effect.profileChanged(guild: guildID, profile: profile)),
            StoredValue("Effect.claimName", Effect.claimName(.username("ann"), owner: userID)),
            StoredValue("Effect.releaseName", Effect.releaseName(.email("ann@example.org"), owner: userID)),
            StoredValue(
                "Effect.nameAnswered", Effect.nameAnswered(.username("ann"), owner: userID, isGranted: true)),
            StoredValue("Work.deleteGuild", Domain.Work.deleteGuild(guildID, after: userID)),
            StoredValue("Work.announceProfile", Domain.Work.announceProfile(userID, after: guildID)),
        ]
    }

    static var entries: [StoredValue] {
        var whole = Entry(
            slot: slot, epoch: Epoch(rawValue: 7), index: LogIndex(rawValue: 300), time: time,
            idMark: Snowflake(rawValue: 0x5152_5354_5556_5758))
        whole.operations = [
            .put(family: 1, key: [1, 2, 3], value: ByteBuffer(string: "value")), .delete(family: 2, key: [4]),
            .deleteRange(family: 3, from: [5], upTo: [6]),
        ]
        whole.events = [ByteBuffer(string: "event")]
        whole.outbox = [Entry.OutboxItem(destination: slot, number: 9, effect: ByteBuffer(string: "effect"))]
        let id = RequestID(mintedMilliseconds: 1_700_000_000_123, random: 0xabcdef)
        let replies: [(String, Entry.RememberedReply)] = [
            ("inline", .inline(status: 200, body: ByteBuffer(string: "{}"))),
            ("reference", .reference(status: 201, operation: "get_message", parameters: ["message_id": "5"])),
            ("pending", .pending(resuming: ["user_id": "7"])), ("lost", .pending()),
        ]
        func value(_ name: String, _ entry: Entry) -> StoredValue {
            StoredValue(name, encoded: { entry.encoded() }, recoded: { try Entry(decoding: $0).encoded() })
        }
        return [
            value(
                "Entry.empty",
                Entry(
                    slot: slot, epoch: Epoch(rawValue: 7), index: LogIndex(rawValue: 299), time: time,
                    idMark: Snowflake(rawValue: 0))),
            value("Entry.whole", whole),
        ]
            + replies.map { name, reply in
                var entry = whole
                entry.request = Entry.Request(id: id, reply: reply)
                return value("Entry." + name, entry)
            }
            + replies.map { StoredValue("Request." + $0, Entry.Request(id: id, reply: $1)) }
    }

    static var sessions: [StoredValue] {
        let encoded: @Sendable () throws -> ByteBuffer = {
            guard let id = SessionID(String(repeating: "0af1", count: 8) + "67617465776179") else {
                throw CocoaError(.coderInvalidValue)
            }
            let identity = Session.Identity(
                id: id, actor: Actor(profile: profile, tokenID: 77), intents: 513, version: 10, shard: 1, shardCount: 2,
                isSharded: true, largeThreshold: 250)
            var replay = ReplayBuffer(floor: 3)
            replay.append(Dispatch(tail: ByteBuffer(string: "tail")), sequence: 4, now: .now())
            let session = Session(identity: identity, sequence: 4, replay: replay)
            session.userProgress = .attaching(after: number)
            session.guilds = [guildID: .attaching(after: number)]
            return SessionRecord(session, position: { _ in number }, seen: { _ in [channelID] }).encoded()
        }
        return [
            StoredValue("SessionRecord", encoded: encoded, recoded: { try SessionRecord(decoding: $0).encoded() })
        ]
    }

    static var storage: [StoredValue] {
        let store = String(repeating: "0b", count: 16)
        @Sendable func identity(of file: ByteBuffer?, in folder: String) throws -> ByteBuffer {
            let path = folder + "/STORE"
            if let file { try Data(file.readableBytesView).write(to: URL(fileURLWithPath: path)) }
            let identity = try StoreIdentity.establish(folder: folder, cluster: clusterID)
            var text = try String(contentsOfFile: path, encoding: .utf8)
            // A new one is random.
            if file == nil { text = text.replacingOccurrences(of: identity.store.rawValue, with: store) }
            return ByteBuffer(
                string: file == nil
                    ? text : "format \(identity.format)\ncluster \(identity.cluster)\nstore \(identity.store)\n")
        }
        return [
            StoredValue(
                "STORE", encoded: { try inFolder { try identity(of: nil, in: $0) } },
                recoded: { file in try inFolder { try identity(of: file, in: $0) } }),
            StoredValue(
                "Applied",
                encoded: {
                    try applied(
                        .init(epoch: Epoch(rawValue: 7), index: LogIndex(rawValue: 300), idMark: Snowflake(rawValue: 5))
                    )
                },
                recoded: { row in
                    try inFolder { folder in
                        let state = try StateStore(path: folder + "/state")
                        defer { state.close() }
                        let batch = state.makeBatch()
                        try batch.add([.put(family: Family.meta.rawValue, key: [0], value: row)], of: slot)
                        try state.write(batch)
                        return try applied(state.applied(slot))
                    }
                }),
        ]
    }

    /// The row in which the state keeps how far it is.
    @Sendable private static func applied(_ applied: StateStore.Applied) throws -> ByteBuffer {
        try inFolder { folder in
            let state = try StateStore(path: folder + "/state")
            defer { state.close() }
            let batch = state.makeBatch()
            batch.setApplied(applied, of: slot)
            try state.write(batch)
            return try state.get(slot, .meta, [0]) ?? ByteBuffer()
        }
    }
}
