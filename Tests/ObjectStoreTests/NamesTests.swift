import Foundation
import Testing

@testable import ObjectStore

@Suite("Names of objects and places")
struct NamesTests {
    @Test(
        "what could lead out of a folder, or needs escaping, is no key",
        arguments: [
            "", "/a", "a/", "a//b", "..", "a/../b", ".", "a/.", "a b", "a%2e", "ä", "a\0", "a\\b", "a.object",
            "a.object/b", String(repeating: "x", count: 201), String(repeating: "x/", count: 300) + "x",
        ])
    func refused(_ text: String) { #expect(ObjectKey(text) == nil) }

    @Test(
        "ordinary paths are keys", arguments: ["a", "a/b", "backups/2026-11-24T12.00.00Z/slots/0017.json", "..a/b_-"])
    func accepted(_ text: String) { #expect(ObjectKey(text)?.text == text) }

    @Test("locations are told apart, and a wrong one says what is wrong")
    func locations() throws {
        #expect(try ObjectLocation("file:///var/backups/").kind == .disk(folder: "/var/backups"))
        #expect(
            try ObjectLocation("s3://bucket/a/b?region=eu-central-1&endpoint=http://127.0.0.1:9000&addressing=path")
                .kind
                == .s3(
                    bucket: "bucket", prefix: "a/b", region: "eu-central-1", endpoint: "http://127.0.0.1:9000",
                    addressing: .path))
        for wrong in [
            "/var/backups", "file://host/x", "file:///", "s3:///x", "s3://key:secret@bucket/x", "s3://b/x?colour=red",
            "s3://b/x?addressing=sideways", "http://x/y",
        ] {
            #expect(throws: ObjectStoreFailure.self) { try ObjectLocation(wrong) }
        }
    }

    @Test("settings of S3 are checked before anything is sent")
    func settings() throws {
        let credentials = AWSCredentialsSource.environment
        #expect(try S3Settings(bucket: "bucket", region: "us-east-1", credentials: credentials).addressing == .virtual)
        #expect(
            try S3Settings(endpoint: "http://h:1", bucket: "bucket", region: "r", credentials: credentials).addressing
                == .path)
        for (endpoint, bucket, region, prefix) in [
            ("ftp://h", "bucket", "r", ""), ("http://h/path", "bucket", "r", ""), ("http://h", "B", "r", ""),
            ("http://h", "bucket", "", ""), ("http://h", "bucket", "r", "/x"), ("http://u:p@h", "bucket", "r", ""),
        ] {
            #expect(throws: ObjectStoreFailure.self) {
                try S3Settings(
                    endpoint: endpoint, bucket: bucket, region: region, prefix: prefix, credentials: credentials)
            }
        }
    }

    @Test("a credentials file is read as the AWS tools write it; without keys it says so")
    func credentialsFile() throws {
        let text =
            "[other]\naws_access_key_id=no\n[default]\n# mine\naws_access_key_id = AK\naws_secret_access_key=S=K\n"
        let credentials = try AWSCredentialsSource.parse(text, path: "f")
        #expect(credentials == AWSCredentials(accessKey: "AK", secretKey: "S=K"))
        #expect(throws: ObjectStoreFailure.self) { try AWSCredentialsSource.parse("[default]\n", path: "f") }
        #expect(throws: ObjectStoreFailure.self) { try AWSCredentialsSource.environment.read(environment: [:]) }
        #expect(
            try AWSCredentialsSource.environment.read(environment: [
                "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "c",
            ]) == AWSCredentials(accessKey: "a", secretKey: "b", sessionToken: "c"))
    }
}
