/// Why an object store did not do what it was asked.
public enum ObjectStoreFailure: Error, Hashable, Sendable, CustomStringConvertible {
    case notFound(ObjectKey)
    /// What was asked for is no key, prefix, range or setting of an object store.
    case invalid(String)
    /// The content was not what was said of it.
    case wrongContent(String)
    /// The content could not be read from where it comes from.
    case source(String)
    /// The store has something else than what was stored.
    case corrupt(ObjectKey, String)
    case tooLarge(String)
    /// There are no credentials, or the store does not know them, or the signature is wrong: so is the secret key.
    case wrongCredentials(String)
    /// The credentials are right, and do not allow this.
    case forbidden(String)
    case bucketMissing(String)
    /// This machine's clock and the store's differ too much for a signature to hold.
    case clockSkew(String)
    /// No answer in time, or none but faults, after all attempts.
    case unavailable(String)
    /// An answer that no other case describes.
    case refused(String)
    /// The local disk failed.
    case file(path: String, reason: String)

    public var description: String {
        switch self {
        case .notFound(let key): "there is no object \(key)"
        case .invalid(let what): what
        case .wrongContent(let what): "the content is not what was to be stored: \(what)"
        case .source(let reason): "the content cannot be read: \(reason)"
        case .corrupt(let key, let reason): "the object \(key) is not what was stored: \(reason)"
        case .tooLarge(let what): what
        case .wrongCredentials(let reason):
            "the object store does not accept the credentials (access key, secret key, session token): \(reason)"
        case .forbidden(let reason): "the credentials do not allow this in the object store: \(reason)"
        case .bucketMissing(let bucket): "the object store has no bucket \(bucket)"
        case .clockSkew(let reason): "this machine's clock is wrong for the object store: \(reason)"
        case .unavailable(let reason): "the object store does not answer: \(reason)"
        case .refused(let reason): "the object store refuses: \(reason)"
        case .file(let path, let reason): "\(path): \(reason)"
        }
    }
}
