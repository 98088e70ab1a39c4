/// What is taken in from etcd, in bytes and items.
enum EtcdLimits {
    /// Of one answer. A page of rows has some 100 KiB.
    static let maximumAnswer = 8 << 20
    /// Of one message of a watch. etcd cuts them at 1.5 MiB of requests (`fragment`), or after one event, which base64
    /// makes a third longer.
    static let maximumWatchMessage = 8 << 20
    /// Keys of a page; halved for as long as a page is longer than ``maximumAnswer``.
    static let pageSize = 512
    /// How often a listing begins again because its revision was compacted under it.
    static let listingAttempts = 5
    /// Of a member's answer that is quoted in a failure.
    static let quotedReason = 300
}
