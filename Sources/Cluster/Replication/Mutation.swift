#if GUILDHALL_MUTATIONS
    /// Deliberate faults of the protocol, one at a time, for the simulator to find (`scripts/simulate --mutations`).
    ///
    /// Compiled only with GUILDHALL_MUTATIONS=1 in the environment of the build; no program that serves has them.
    public enum Mutation: String, CaseIterable, Sendable {
        case skipFsync = "skip-fsync"
        case acknowledgeEarly = "acknowledge-early"
        case acceptOlderEpochs = "accept-older-epochs"
        case reuseIDs = "reuse-ids"
        case truncateAtElection = "truncate-at-election"
        case commitWithOneSet = "commit-with-one-set"
        case trimUnflushed = "trim-unflushed"
        case answerFromOverlay = "answer-from-overlay"
        case serveBeforeOwnEntry = "serve-before-own-entry"
        case emitBeforeCommit = "emit-before-commit"
        case promiseDuringCampaign = "promise-during-campaign"
        case leaseFromReceipt = "lease-from-receipt"
        case wipedDiskStands = "wiped-disk-stands"
        case forgetRequests = "forget-requests"
        case promoteLaggingLearner = "promote-lagging-learner"
        case believeFormerLives = "believe-former-lives"
        case trustKnownCommit = "trust-known-commit"
        case takeLateSnapshots = "take-late-snapshots"
        case campaignWithoutSilence = "campaign-without-silence"
        case forgetEpochsAtStart = "forget-epochs-at-start"
        case serveWhileHandingOver = "serve-while-handing-over"

        /// Set once, before anything runs.
        nonisolated(unsafe) public static var active: Mutation?
    }
#endif
