import Foundation
import Testing

@testable import ObjectStore

/// PyPI's `moto` server: an S3 that is not ours. It ends when this process ends, since its standard input does.
actor MotoServer {
    /// The virtual environment that `scripts/test` makes; without it these tests are skipped.
    static let environment = ProcessInfo.processInfo.environment["E2E_VENV"]
    static let comment = Comment("E2E_VENV names no virtual environment with moto[server]")
    static let shared = MotoServer(checksSignatures: false)
    /// One that knows one access key and refuses others.
    static let strict = MotoServer(checksSignatures: true)

    struct Address: Decodable, Sendable {
        var port: Int
        var key: String
        var secret: String

        var endpoint: String { "http://127.0.0.1:\(port)" }
    }

    private static let program = """
        import json, sys
        import boto3
        import moto.settings
        from moto.server import ThreadedMotoServer
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        port = server.get_host_and_port()[1]
        url = f"http://127.0.0.1:{port}"
        names = dict(endpoint_url=url, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y")
        boto3.client("s3", **names).create_bucket(Bucket="guildhall")
        answer = {"port": port, "key": "testing", "secret": "testing"}
        if sys.argv[1] == "strict":
            iam = boto3.client("iam", **names)
            iam.create_user(UserName="guildhall")
            policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
            iam.put_user_policy(UserName="guildhall", PolicyName="all", PolicyDocument=json.dumps(policy))
            made = iam.create_access_key(UserName="guildhall")["AccessKey"]
            answer.update(key=made["AccessKeyId"], secret=made["SecretAccessKey"])
            moto.settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
        sys.stdout.write(json.dumps(answer) + chr(10))
        sys.stdout.flush()
        sys.stdin.read()
        """

    private let checksSignatures: Bool
    private var address: Address?
    private var process: Process?
    private var input: Pipe?

    private init(checksSignatures: Bool) { self.checksSignatures = checksSignatures }

    func start() throws -> Address {
        if let address { return address }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: (Self.environment ?? "") + "/bin/python")
        process.arguments = ["-c", Self.program, checksSignatures ? "strict" : "open"]
        let output = Pipe()
        let input = Pipe()
        process.standardOutput = output
        // It writes a line for each request.
        process.standardError = FileHandle.nullDevice
        process.standardInput = input
        try process.run()
        var line = Data()
        while !line.contains(UInt8(ascii: "\n")) {
            let piece = output.fileHandleForReading.availableData
            guard !piece.isEmpty else { throw MotoDied(output: String(decoding: line, as: UTF8.self)) }
            line.append(piece)
        }
        let address = try JSONDecoder().decode(Address.self, from: line)
        self.address = address
        self.process = process
        self.input = input
        return address
    }

    struct MotoDied: Error { var output: String }

    /// A store of its own, under a prefix that no other test uses.
    func store(_ change: (inout S3Settings) -> Void = { _ in }) throws -> S3ObjectStore {
        let address = try start()
        var settings = try S3Settings(
            endpoint: address.endpoint, bucket: "guildhall", region: "us-east-1",
            prefix: "test/" + UUID().uuidString.lowercased(),
            credentials: .fixed(AWSCredentials(accessKey: address.key, secretKey: address.secret)))
        change(&settings)
        return S3ObjectStore(settings)
    }
}
