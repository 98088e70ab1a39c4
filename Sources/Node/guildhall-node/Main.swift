import NIOPosix
import ArgumentParser
@main struct Main { static func main() {} }
