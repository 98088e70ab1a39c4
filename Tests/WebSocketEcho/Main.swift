import Foundation
import Gateway
import NIOCore
import NIOPosix

/// Echoes WebSocket messages by the gateway's own handshake and framing, so that the Autobahn suite's `wstest`, which
/// needs an echo, can judge them. Prints its port and serves until it is killed.
@main
struct Main {
    static func main() async throws {
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(EchoHandler()) }
            }
        let channel = try await bootstrap.bind(host: "127.0.0.1", port: 0).get()
        // Unbuffered: the reader waits for this line.
        FileHandle.standardOutput.write(Data("port \(channel.localAddress?.port ?? 0)\n".utf8))
        try await channel.closeFuture.get()
    }
}
