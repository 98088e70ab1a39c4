import NIOCore
import Wire

extension APIError {
    /// The answer as the client gets it: `{message, code}`, and `errors` nested by field when there are any.
    public var reply: RestReply {
        var writer = JSONWriter()
        writer.object { json in
            json.member("message", message)
            json.member("code", code)
            if !fields.isEmpty { json.member("errors", object: { Self.write(fields, at: 0, into: &$0) }) }
        }
        return RestReply(status: status, body: writer.buffer)
    }

    /// Writes the members of one level: the faults that end here as `_errors`, the deeper ones by their next name.
    private static func write(_ faults: [FieldFault], at depth: Int, into json: inout JSONWriter) {
        let here = faults.filter { $0.path.count == depth }
        if !here.isEmpty {
            json.member(
                "_errors",
                array: { json in
                    for fault in here {
                        json.object {
                            $0.member("code", fault.code)
                            $0.member("message", fault.message)
                        }
                    }
                })
        }
        var seen: Set<String> = []
        for fault in faults where fault.path.count > depth && seen.insert(fault.path[depth]).inserted {
            let name = fault.path[depth]
            json.name(escaping: name)
            json.object { json in
                write(faults.filter { $0.path.count > depth && $0.path[depth] == name }, at: depth + 1, into: &json)
            }
        }
    }
}
