import NIOCore
import Wire

/// Frames are the same however their bytes are cut, and encode to what they were decoded from.
func fuzzFrames(_ input: ByteBuffer) {
    let whole = decode([input])
    var parts: [ByteBuffer] = []
    var rest = input
    var size = 1
    while let part = rest.readSlice(length: min(size, rest.readableBytes)), part.readableBytes > 0 {
        parts.append(part)
        size = size % 7 + 1
    }
    let cut = decode(parts)
    precondition(whole.frames == cut.frames && whole.error == cut.error, "frames depend on how the bytes are cut")
    var output = FrameOutput()
    for frame in whole.frames {
        output.append(frame.type, streamID: frame.streamID, body: frame.body) { writer in
            // The fields as they are: the writer's buffer is replaced by one that holds what was before and them.
            var buffer = writer.buffer
            buffer.writeImmutableBuffer(frame.fields)
            writer = FieldWriter(buffer: buffer)
        }
    }
    let again = decode(output.take())
    precondition(again.error == nil, "what was encoded does not decode")
    precondition(
        again.frames.map(\.body) == whole.frames.map(\.body)
            && again.frames.map(\.fields) == whole.frames.map(\.fields), "a frame changed on its way")
}

private func decode(_ parts: [ByteBuffer]) -> (frames: [Frame], error: FrameError?) {
    var decoder = FrameDecoder(maximumLength: 4_096)
    var frames: [Frame] = []
    for part in parts {
        decoder.append(part)
        do throws(FrameError) {
            while let frame = try decoder.next() { frames.append(frame) }
        } catch {
            return (frames, error)
        }
        precondition(decoder.bufferedBytes <= 4_096 + Frame.lengthSize, "more is kept than a frame")
    }
    return (frames, nil)
}
