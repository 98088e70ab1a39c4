import NIOCore

/// One end of a proxied connection: what is read here is written there.
///
/// A side is read from only while the other can be written to, so that a slow reader slows the sender and no buffer
/// grows. Both ends are on one event loop.
final class ByteProxy: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var partner: ByteProxy?
    private var context: ChannelHandlerContext?
    private var hasPendingRead = false

    private init() {}

    static func pair() -> (ByteProxy, ByteProxy) {
        let (first, second) = (ByteProxy(), ByteProxy())
        first.partner = second
        second.partner = first
        return (first, second)
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        partner = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let other = partner?.context else { return }
        other.write(data, promise: nil)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        partner?.context?.flush()
        context.fireChannelReadComplete()
    }

    func channelInactive(context: ChannelHandlerContext) {
        partner?.context?.close(promise: nil)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { partner?.readIfPending() }
        context.fireChannelWritabilityChanged()
    }

    func read(context: ChannelHandlerContext) {
        if partner?.context?.channel.isWritable ?? false { context.read() } else { hasPendingRead = true }
    }

    private func readIfPending() {
        guard hasPendingRead else { return }
        hasPendingRead = false
        context?.read()
    }
}
