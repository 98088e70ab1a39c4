import NIOCore
import Wire

/// What decodes, encodes to something that decodes to the same.
func fuzzMessages(_ input: ByteBuffer, _ choice: UInt8) {
    switch choice {
    case 5: roundTrip(Hello.self, input)
    case 6: roundTrip(Refusal.self, input)
    case 7: roundTrip(RequestHead.self, input)
    case 8: roundTrip(Failure.self, input)
    case 9: roundTrip(Credit.self, input)
    case 10: roundTrip(Farewell.self, input)
    case 11: decode(SlotCall.self, input)
    case 12: roundTrip(SlotReply.self, input)
    case 13: decode(RestRequest.self, input)
    case 14: roundTrip(RestReply.self, input)
    case 15: roundTrip(AuthenticateRequest.self, input)
    case 16: roundTrip(AuthenticateReply.self, input)
    case 17: roundTrip(EventStreamRequest.self, input)
    case 18: roundTrip(EventStreamItem.self, input)
    case 19: roundTrip(Event.self, input)
    case 20: roundTrip(ViewChange.self, input)
    case 21: roundTrip(GuildSnapshot.self, input)
    case 22: roundTrip(UserSnapshot.self, input)
    default: break
    }
}

private func roundTrip<Message: FieldCodable & Equatable>(_: Message.Type, _ input: ByteBuffer) {
    guard let message = try? Message(decoding: input) else { return }
    guard let again = try? Message(decoding: message.encoded()) else {
        preconditionFailure("\(Message.self): what was encoded does not decode")
    }
    precondition(message == again, "\(Message.self): changed by a round trip")
}

/// For messages whose fields have no fixed order: that they decode again.
private func decode<Message: FieldCodable>(_: Message.Type, _ input: ByteBuffer) {
    guard let message = try? Message(decoding: input) else { return }
    guard (try? Message(decoding: message.encoded())) != nil else {
        preconditionFailure("\(Message.self): what was encoded does not decode")
    }
}
