import Foundation
import FoundationXML
import NIOCore

/// The parts of S3's XML answers that are looked at, each element by its path from the root.
final class S3Answer: NSObject, XMLParserDelegate {
    struct Object: Hashable {
        var key = ""
        var size = 0
    }

    private(set) var root = ""
    /// Elements right below the root.
    private(set) var values: [String: String] = [:]
    private(set) var objects: [Object] = []
    private var path: [String] = []
    private var text = ""

    /// `nil` when the answer is not XML.
    static func parse(_ body: ByteBuffer) -> S3Answer? {
        guard body.readableBytes > 0 else { return nil }
        let parser = XMLParser(data: Data(body.readableBytesView))
        parser.shouldResolveExternalEntities = false
        let answer = S3Answer()
        parser.delegate = answer
        return parser.parse() ? answer : nil
    }

    var isError: Bool { root == "Error" }
    var code: String { values["Code"] ?? "" }
    var message: String { values["Message"] ?? "" }

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String]
    ) {
        if path.isEmpty { root = name }
        path.append(name)
        text = ""
        if path.count == 2, name == "Contents" { objects.append(Object()) }
    }

    func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }

    func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
        if path.count == 2 { values[name] = text }
        if path.count == 3, path[1] == "Contents", let last = objects.indices.last {
            if name == "Key" { objects[last].key = text }
            if name == "Size" { objects[last].size = Int(text) ?? 0 }
        }
        path.removeLast()
        text = ""
    }
}
