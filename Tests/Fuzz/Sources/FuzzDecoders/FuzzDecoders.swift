import Identity
import NIOCore
import Wire

/// libFuzzer's entry. The first byte chooses what the rest is given to; see `Corpus/README.md`.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzDecoders(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 0 else { return 0 }
    let input = ByteBuffer(bytes: UnsafeBufferPointer(start: start + 1, count: count - 1))
    switch start[0] {
    case 0: fuzzFrames(input)
    case 1: fuzzConnection(input, isOpen: false, isAccepting: true)
    case 2: fuzzConnection(input, isOpen: false, isAccepting: false)
    case 3: fuzzConnection(input, isOpen: true, isAccepting: true)
    case 4: fuzzConnection(input, isOpen: true, isAccepting: false)
    case let choice: fuzzMessages(input, choice)
    }
    return 0
}
