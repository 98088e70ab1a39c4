import Foundation
import NIOCore
import Operations
import Testing

@Suite struct SocketPassingTests {
    private func temporaryPath() -> String { "/tmp/guildhall-\(UUID().uuidString.prefix(8)).sock" }

    /// A listener, a connection to it, and its accepted end.
    private func connected(_ body: (_ sender: Int32, _ receiver: Int32) throws -> Void) throws {
        let path = temporaryPath()
        let listener = try SocketPassing.listen(path: path)
        defer {
            close(listener)
            unlink(path)
        }
        let sender = try SocketPassing.connect(path: path)
        defer { close(sender) }
        let receiver = try #require(try SocketPassing.accept(from: listener))
        defer { close(receiver) }
        try body(sender, receiver)
    }

    @Test func aPassedSocketIsTheSameConnection() throws {
        try connected { sender, receiver in
            var pair: [Int32] = [0, 0]
            #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
            let handover = SocketPassing.Handover(
                peerAddress: "127.0.0.1:5123", received: ByteBuffer(string: "GET /gateway HTTP/1.1\r\n\r\n"))
            try SocketPassing.send(pair[0], handover, over: sender)
            close(pair[0])
            let received = try #require(try SocketPassing.receive(from: receiver))
            #expect(received.handover == handover)
            #expect(write(received.descriptor, "hello", 5) == 5)
            var bytes = [UInt8](repeating: 0, count: 5)
            #expect(read(pair[1], &bytes, 5) == 5)
            #expect(String(decoding: bytes, as: UTF8.self) == "hello")
            close(received.descriptor)
            close(pair[1])
        }
    }

    @Test func manyPassedSocketsKeepTheirOrderAndBytes() throws {
        try connected { sender, receiver in
            for number in 0..<5 {
                let bytes = ByteBuffer(repeating: UInt8(number), count: number * 8000)
                try SocketPassing.send(1, .init(peerAddress: "[::1]:\(number)", received: bytes), over: sender)
            }
            for number in 0..<5 {
                let received = try #require(try SocketPassing.receive(from: receiver))
                #expect(received.handover.peerAddress == "[::1]:\(number)")
                #expect(received.handover.received.readableBytes == number * 8000)
                close(received.descriptor)
            }
            let next = try SocketPassing.receive(from: receiver)
            #expect(next?.descriptor == nil)
        }
    }

    @Test func aFullQueueIsSaidAtOnce() throws {
        try connected { sender, _ in
            #expect(throws: SocketPassing.Failure.wouldBlock) {
                for _ in 0..<10_000 {
                    try SocketPassing.send(
                        1, .init(peerAddress: "", received: ByteBuffer(repeating: 0, count: 1000)), over: sender)
                }
            }
        }
    }

    @Test func tooManyBytesAreRefusedBeforeSending() throws {
        try connected { sender, receiver in
            let bytes = ByteBuffer(repeating: 0, count: SocketPassing.maximumReceivedBytes + 1)
            #expect(throws: SocketPassing.Failure.tooLarge) {
                try SocketPassing.send(1, .init(peerAddress: "", received: bytes), over: sender)
            }
            let next = try SocketPassing.receive(from: receiver)
            #expect(next?.descriptor == nil)
        }
    }

    @Test func aPacketWithoutADescriptorIsMalformed() throws {
        try connected { sender, receiver in
            #expect(send(sender, "x", 1, 0) == 1)
            #expect(throws: SocketPassing.Failure.malformed) { try SocketPassing.receive(from: receiver) }
        }
    }

    @Test func anEndedConnectionIsClosed() throws {
        try connected { sender, receiver in
            shutdown(sender, Int32(SHUT_WR))
            #expect(throws: SocketPassing.Failure.closed) { try SocketPassing.receive(from: receiver) }
        }
    }

    @Test func aPathThatDoesNotFitIsRefused() {
        #expect(throws: SocketPassing.Failure.pathTooLong) {
            try SocketPassing.connect(path: "/" + String(repeating: "a", count: 200))
        }
    }
}
