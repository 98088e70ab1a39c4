import ArgumentParser
import Backup
import Foundation
import ObjectStore

/// Where backups lie, as a command's options say it.
struct BackupPlace: ParsableArguments {
    @Option(
        help: """
            Where backups lie: file:///folder that all nodes see, or s3://bucket/prefix?region=R&endpoint=https://host. \
            (default: $GUILDCTL_BACKUPS)
            """)
    var location: String?

    @Option(
        help: """
            A file with the keys of S3, as the AWS tools keep it. (default: $AWS_ACCESS_KEY_ID, $AWS_SECRET_ACCESS_KEY, \
            $AWS_SESSION_TOKEN) The nodes have their own: objects.s3.credentials-file, or the same variables.
            """)
    var credentialsFile: String?

    func resolve() throws -> ObjectLocation {
        guard let text = location ?? ProcessInfo.processInfo.environment["GUILDCTL_BACKUPS"] else {
            throw ValidationError("where do backups lie? --location, or $GUILDCTL_BACKUPS")
        }
        do { return try ObjectLocation(text) } catch { throw ValidationError("\(error)") }
    }

    func catalog() throws -> BackupCatalog {
        let credentials = credentialsFile.map { AWSCredentialsSource.file($0) } ?? .environment
        return BackupCatalog(store: try resolve().open(credentials: credentials))
    }

    /// Runs `body`; what goes wrong with the store or a backup is printed and becomes the exit code.
    static func run(_ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch let failure as ObjectStoreFailure {
            Console.note("guildctl: \(failure)")
            throw ExitStatus.failed
        } catch let failure as BackupFailure {
            Console.note("guildctl: \(failure)")
            throw ExitStatus.failed
        }
    }

    static func id(_ text: String) throws -> BackupID {
        guard let id = BackupID(text) else { throw ValidationError("'\(text)' names no backup") }
        return id
    }
}
