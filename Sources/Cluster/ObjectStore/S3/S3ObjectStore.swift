import Crypto
import Foundation
import NIOCore
import NIOHTTP1

/// Objects in a bucket of Amazon S3, or of another store that speaks its protocol.
///
/// A small object is one request; a larger one goes up in parts, of which one is in memory, and appears when the last
/// one is there. Each body is signed by its SHA-256, which the store compares; the whole object's is kept in the
/// object's metadata and compared when it is read.
public struct S3ObjectStore: ObjectStore {
    static let checksumHeader = "x-amz-meta-sha256"

    let client: S3Client
    private var limits: S3Limits { client.settings.limits }

    public init(_ settings: S3Settings) { client = S3Client(settings) }

    // MARK: Writing

    public func put(_ key: ObjectKey, _ content: ObjectContent) async throws(ObjectStoreFailure) {
        let partSize = try partSize(of: content)
        if content.size > partSize { return try await putParts(key, content, partSize: partSize) }
        var whole = ByteBuffer()
        whole.reserveCapacity(content.size)
        try await content.read { piece throws(ObjectStoreFailure) in whole.writeImmutableBuffer(piece) }
        let request = S3Client.Request(
            method: .PUT, key: key, headers: [(Self.checksumHeader, content.checksum.hexadecimal)], body: whole)
        _ = try await client.send(request) { answer throws(ObjectStoreFailure) in try check(answer, body: whole) }
    }

    private func partSize(of content: ObjectContent) throws(ObjectStoreFailure) -> Int {
        let least = (content.size + limits.maximumParts - 1) / limits.maximumParts
        guard least <= limits.maximumPartSize else {
            throw .tooLarge("an object of \(content.size) bytes needs parts of \(least) bytes")
        }
        return max(limits.partSize, least)
    }

    /// The tag is the body's MD5, unless the store encrypts with keys of its own.
    private func check(_ answer: S3Client.Answer, body: ByteBuffer) throws(ObjectStoreFailure) {
        guard let tag = answer.headers.first(name: "etag")?.trimmingCharacters(in: CharacterSet(charactersIn: "\"")),
            tag.utf8.count == 32, (answer.headers.first(name: "x-amz-server-side-encryption") ?? "AES256") == "AES256",
            !answer.headers.contains(name: "x-amz-server-side-encryption-customer-algorithm")
        else { return }
        let expected = Hexadecimal.text(Insecure.MD5.hash(data: Data(body.readableBytesView)))
        guard tag.lowercased() == expected else {
            throw .unavailable("the store says that it got other content: its tag is \(tag), not \(expected)")
        }
    }

    private func putParts(
        _ key: ObjectKey, _ content: ObjectContent, partSize: Int
    ) async throws(ObjectStoreFailure) {
        let begun = try await client.send(
            .init(
                method: .POST, key: key, query: [("uploads", "")],
                headers: [(Self.checksumHeader, content.checksum.hexadecimal)]))
        guard let upload = S3Answer.parse(begun.body)?.values["UploadId"], !upload.isEmpty else {
            throw .refused("the answer to the start of an upload names none")
        }
        do throws(ObjectStoreFailure) {
            let tags = try await sendParts(key, content, partSize: partSize, upload: upload)
            try await complete(key, content, upload: upload, tags: tags)
        } catch {
            // What this leaves behind, a lifecycle rule of the bucket removes.
            _ = try? await client.send(.init(method: .DELETE, key: key, query: [("uploadId", upload)]))
            throw error
        }
    }

    private func sendParts(
        _ key: ObjectKey, _ content: ObjectContent, partSize: Int, upload: String
    ) async throws(ObjectStoreFailure) -> [String] {
        var tags: [String] = []
        var part = ByteBuffer()
        func sendPart(_ size: Int) async throws(ObjectStoreFailure) {
            guard let body = part.readSlice(length: size) else { return }
            let request = S3Client.Request(
                method: .PUT, key: key, query: [("partNumber", "\(tags.count + 1)"), ("uploadId", upload)], body: body)
            let answer = try await client.send(request) { answer throws(ObjectStoreFailure) in
                try check(answer, body: body)
            }
            tags.append(answer.headers.first(name: "etag") ?? "")
            part.discardReadBytes()
        }
        try await content.read { piece throws(ObjectStoreFailure) in
            part.writeImmutableBuffer(piece)
            while part.readableBytes >= partSize { try await sendPart(partSize) }
        }
        if part.readableBytes > 0 { try await sendPart(part.readableBytes) }
        return tags
    }

    private func complete(
        _ key: ObjectKey, _ content: ObjectContent, upload: String, tags: [String]
    ) async throws(ObjectStoreFailure) {
        let parts = tags.enumerated().map { number, tag in
            "<Part><PartNumber>\(number + 1)</PartNumber><ETag>\(tag.replacing("\"", with: "&quot;"))</ETag></Part>"
        }
        let body = "<CompleteMultipartUpload>\(parts.joined())</CompleteMultipartUpload>"
        do throws(ObjectStoreFailure) {
            _ = try await client.send(
                .init(method: .POST, key: key, query: [("uploadId", upload)], body: ByteBuffer(string: body)))
        } catch .refused(let reason) where reason.contains("NoSuchUpload") {
            // Completed by an attempt whose answer was lost, if the object is there.
            guard try await head(key)?.checksum == content.checksum else { throw .refused(reason) }
        }
        guard let stored = try await head(key), stored.size == content.size else {
            throw .corrupt(key, "the store put together another object")
        }
    }

    public func delete(_ key: ObjectKey) async throws(ObjectStoreFailure) {
        do throws(ObjectStoreFailure) { _ = try await client.send(.init(method: .DELETE, key: key)) } catch {
            if case .notFound = error { return }
            throw error
        }
    }

    // MARK: Reading

    public func get(
        _ key: ObjectKey, range: Range<Int>?, _ body: (ByteBuffer) async throws -> Void
    ) async throws -> ObjectDescription {
        // A break in the middle costs no second reading: the rest is asked for.
        guard let description = try await head(key) else { throw ObjectStoreFailure.notFound(key) }
        let range = range ?? 0..<description.size
        guard range.upperBound <= description.size else {
            throw ObjectStoreFailure.invalid("\(key) has \(description.size) bytes, not \(range)")
        }
        var sum = RunningChecksum()
        var failures = 0
        while sum.count < range.count {
            let before = sum.count
            do {
                try await readRest(key, range, &sum, body)
            } catch ObjectStoreFailure.unavailable(let reason) {
                failures = sum.count > before ? 1 : failures + 1
                guard failures < limits.attempts else {
                    throw ObjectStoreFailure.unavailable("\(reason) (\(failures) attempts)")
                }
                try await Task.sleep(for: min(limits.firstPause * (1 << failures), limits.longestPause))
            }
        }
        if range.count == description.size, let checksum = description.checksum, sum.checksum != checksum {
            throw ObjectStoreFailure.corrupt(key, "its checksum is another")
        }
        return description
    }

    private func readRest(
        _ key: ObjectKey, _ range: Range<Int>, _ sum: inout RunningChecksum, _ body: (ByteBuffer) async throws -> Void
    ) async throws {
        let from = range.lowerBound + sum.count
        var reading = sum
        defer { sum = reading }
        let request = S3Client.Request(
            method: .GET, key: key, headers: [("range", "bytes=\(from)-\(range.upperBound - 1)")],
            expected: range.count)
        _ = try await client.stream(request) { _, piece in
            guard reading.count + piece.readableBytes <= range.count else {
                throw ObjectStoreFailure.corrupt(key, "the store sends more than it was asked for")
            }
            reading.add(piece)
            try await body(piece)
        }
        guard reading.count == range.count else {
            throw ObjectStoreFailure.unavailable("the content of \(key) ended early")
        }
    }

    public func head(_ key: ObjectKey) async throws(ObjectStoreFailure) -> ObjectDescription? {
        let answer: S3Client.Answer
        do throws(ObjectStoreFailure) { answer = try await client.send(.init(method: .HEAD, key: key)) } catch {
            switch error {
            case .notFound: return nil
            case .forbidden, .refused, .wrongCredentials:
                // The answer to HEAD has no body that could say why; that to a listing has.
                _ = try await list(prefix: key.text, after: nil, limit: 1)
                throw error
            default: throw error
            }
        }
        guard let size = answer.headers.first(name: "content-length").flatMap({ Int($0) }), size >= 0 else {
            throw .refused("the store does not say how large \(key) is")
        }
        let checksum = answer.headers.first(name: Self.checksumHeader).flatMap { ObjectChecksum(hexadecimal: $0) }
        return ObjectDescription(size: size, checksum: checksum)
    }

    public func list(
        prefix: String, after: ObjectKey?, limit: Int
    ) async throws(ObjectStoreFailure) -> ObjectPage {
        guard ObjectKey.isPrefix(prefix) else { throw .invalid("'\(prefix)' begins no key") }
        guard (1...1_000).contains(limit) else { throw .invalid("a page has 1 to 1000 objects, not \(limit)") }
        let root = client.settings.prefix.isEmpty ? "" : client.settings.prefix + "/"
        var query = [("list-type", "2"), ("prefix", root + prefix), ("max-keys", "\(limit)")]
        if let after { query.append(("start-after", root + after.text)) }
        let answer = try await client.send(
            .init(method: .GET, key: nil, query: query.map { (name: $0.0, value: $0.1) }))
        guard let listing = S3Answer.parse(answer.body), listing.root == "ListBucketResult" else {
            throw .refused("the answer to a listing is not understood")
        }
        // What has a name that is no key of ours was put there by somebody else.
        let items = listing.objects.compactMap { object -> ObjectPage.Item? in
            guard object.key.hasPrefix(root), let key = ObjectKey(String(object.key.dropFirst(root.count))) else {
                return nil
            }
            return ObjectPage.Item(key: key, size: object.size)
        }
        let hasMore = listing.values["IsTruncated"] == "true"
        if items.isEmpty, hasMore { throw .refused("a whole page of the bucket has names that are not ours") }
        return ObjectPage(items: items, hasMore: hasMore)
    }
}
