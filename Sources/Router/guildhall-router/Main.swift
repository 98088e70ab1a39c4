import ArgumentParser
import NIOPosix

@main struct Main { static func main() {} }
