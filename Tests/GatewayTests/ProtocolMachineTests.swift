import Foundation
import NIOCore
import Testing

@testable import Gateway

@Suite struct ProtocolMachineTests {
    private let start = NIODeadline.uptimeNanoseconds(0)
    private let decoder = JSONDecoder()

    private func attached() -> ProtocolMachine {
        var machine = ProtocolMachine(now: start)
        let action = machine.received(ByteBuffer(string: World.identify()), now: start, decoder: decoder)
        guard case .identify? = action else {
            Issue.record("IDENTIFY was not taken")
            return machine
        }
        machine.attached()
        return machine
    }

    @Test func silenceIsFirstAskedAboutThenClosed() {
        var machine = attached()
        #expect(machine.tick(now: start + .seconds(49)) == nil)
        #expect(machine.tick(now: start + .seconds(50)) == .send(ProtocolMachine.heartbeatRequest))
        #expect(machine.tick(now: start + .seconds(51)) == nil)
        #expect(machine.tick(now: start + .seconds(60)) == .close(.sessionTimedOut, reason: "Session timed out."))
        #expect(machine.received(ByteBuffer(string: "{"), now: start, decoder: decoder) == nil)
    }

    @Test func heartbeatsKeepTheConnectionAndSayWhatWasReceived() {
        var machine = attached()
        for minute in 1...5 {
            let now = start + .seconds(Int64(minute) * 45)
            #expect(
                machine.received(ByteBuffer(string: #"{"op":1,"d":\#(minute)}"#), now: now, decoder: decoder)
                    == .acknowledged(minute))
            #expect(machine.tick(now: now) == nil)
        }
    }

    @Test func heartbeatsAloneDoNotHoldAConnectionWithoutASession() {
        var machine = ProtocolMachine(now: start)
        let now = start + .seconds(40)
        #expect(
            machine.received(ByteBuffer(string: #"{"op":1,"d":null}"#), now: now, decoder: decoder)
                == .send(ProtocolMachine.heartbeatACK))
        #expect(machine.tick(now: start + .seconds(60)) == .close(.sessionTimedOut, reason: "Session timed out."))
    }

    @Test func theRateIsCountedByMinute() {
        var machine = attached()
        let beat = ByteBuffer(string: #"{"op":1,"d":null}"#)
        for _ in 0..<119 { #expect(machine.received(beat, now: start, decoder: decoder) != nil) }
        let later = start + .seconds(60)
        for _ in 0..<120 {
            #expect(machine.received(beat, now: later, decoder: decoder) == .send(ProtocolMachine.heartbeatACK))
        }
        #expect(machine.received(beat, now: later, decoder: decoder) == .close(.rateLimited, reason: "Rate limited."))
    }

    @Test(arguments: [3, 4, 14, 31, 43]) func opcodesWithoutEffectAreAccepted(_ opcode: Int) {
        var machine = attached()
        let payload = ByteBuffer(string: #"{"op":\#(opcode),"d":{"guild_id":5}}"#)
        #expect(machine.received(payload, now: start, decoder: decoder) == nil)
    }

    @Test func memberRequestsTakeIdsAsNumbersAndLists() throws {
        var machine = attached()
        for guild in ["5", #""5""#, #"["5"]"#] {
            let payload = ByteBuffer(
                string:
                    #"{"op":8,"d":{"guild_id":\#(guild),"user_ids":[1,"2"],"nonce":"\#(String(repeating: "n", count: 32))"}}"#
            )
            guard case .requestGuildMembers(let request)? = machine.received(payload, now: start, decoder: decoder)
            else {
                Issue.record("not taken: \(guild)")
                continue
            }
            #expect(request.guildID.rawValue == 5)
            #expect(request.userIDs.map(\.rawValue) == [1, 2])
            #expect(request.nonce?.count == 32)
        }
    }

    @Test func anInvalidatedSessionMayIdentifyAgain() {
        var machine = attached()
        #expect(machine.invalidated(now: start) == .send(ProtocolMachine.invalidSession))
        let action = machine.received(ByteBuffer(string: World.identify()), now: start, decoder: decoder)
        guard case .identify? = action else {
            Issue.record("IDENTIFY was not taken again")
            return
        }
    }
}
