import NIOCore

@testable import Gateway

/// A frame as a client reads it; parsed here on its own, so that the server's writer is not judged by itself.
struct ServerFrame: Hashable {
    var opcode: UInt8
    var payload: [UInt8]

    static func text(_ text: String) -> ServerFrame { ServerFrame(opcode: 1, payload: Array(text.utf8)) }
    static func binary(_ bytes: [UInt8]) -> ServerFrame { ServerFrame(opcode: 2, payload: bytes) }
    static func pong(_ bytes: [UInt8] = []) -> ServerFrame { ServerFrame(opcode: 10, payload: bytes) }

    static func parse(_ bytes: ByteBuffer) -> [ServerFrame] {
        var bytes = bytes
        var frames: [ServerFrame] = []
        while let first: UInt8 = bytes.readInteger(), let second: UInt8 = bytes.readInteger() {
            var length = Int(second)
            if second == 126 { length = Int(bytes.readInteger(as: UInt16.self) ?? 0) }
            if second == 127 { length = Int(bytes.readInteger(as: UInt64.self) ?? 0) }
            frames.append(ServerFrame(opcode: first & 0xf, payload: bytes.readBytes(length: length) ?? []))
        }
        return frames
    }
}

/// A frame as a client sends it, masked.
struct ClientFrame {
    var opcode: UInt8
    var payload: [UInt8]
    var isFinal = true
    var reserved: UInt8 = 0

    static func text(_ text: String, final: Bool = true) -> ClientFrame {
        ClientFrame(opcode: 1, payload: Array(text.utf8), isFinal: final)
    }
    static func close(_ code: UInt16?, _ reason: [UInt8] = []) -> ClientFrame {
        ClientFrame(opcode: 8, payload: (code.map { [UInt8($0 >> 8), UInt8($0 & 255)] } ?? []) + reason)
    }
    static func continuation(_ text: String, final: Bool = true) -> ClientFrame {
        ClientFrame(opcode: 0, payload: Array(text.utf8), isFinal: final)
    }
    static func ping(_ bytes: [UInt8] = []) -> ClientFrame { ClientFrame(opcode: 9, payload: bytes) }

    var bytes: [UInt8] {
        var frame: [UInt8] = [(isFinal ? 0x80 : 0) | reserved << 4 | opcode]
        let count = payload.count
        if count < 126 {
            frame.append(0x80 | UInt8(count))
        } else if count < 65536 {
            frame += [0x80 | 126, UInt8(count >> 8), UInt8(count & 255)]
        } else {
            frame.append(0x80 | 127)
            for position in 0..<8 { frame.append(UInt8(truncatingIfNeeded: count >> (56 - 8 * position))) }
        }
        let mask: [UInt8] = [0x37, 0xfa, 0x21, 0x3d]
        frame += mask
        let start = frame.count
        frame += payload
        frame.withUnsafeMutableBufferPointer { for index in 0..<count { $0[start + index] ^= mask[index & 3] } }
        return frame
    }
}

/// The echo server that Autobahn's cases talk to, on the gateway's WebSocket core.
struct EchoServer {
    private var endpoint = WebSocketEndpoint(maximumMessageBytes: 32 << 20)
    private var output = ByteBuffer()
    /// The code of the failure by which the server ended the connection.
    private(set) var failure: UInt16?
    /// The client's close code; 0 when its close frame had none.
    private(set) var closed: UInt16?

    mutating func receive(_ pieces: [[UInt8]]) {
        for piece in pieces {
            var bytes = ByteBuffer(bytes: piece)
            while let action = endpoint.next(&bytes) { perform(action) }
        }
    }

    private mutating func perform(_ action: WebSocketEndpoint.Action) {
        switch action {
        case .message(let isText, let payload):
            output.writeImmutableBuffer(WebSocketFrame.encoded(isText ? .text : .binary, payload))
        case .send(let frame): output.writeImmutableBuffer(frame)
        case .pinged: break
        case .closed(let code): closed = code ?? 0
        case .failed(let error): failure = error.closeCode
        }
    }

    var frames: [ServerFrame] { ServerFrame.parse(output) }
}
