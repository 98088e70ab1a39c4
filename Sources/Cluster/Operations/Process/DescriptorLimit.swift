import Glibc

/// Lets the process hold as many sockets as its hard limit allows.
public enum DescriptorLimit {
    public static func raise() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        // Refused only where the system says no: the connection limit then shows as failed accepts.
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
