/// Which ways of sleeping a deployment has, and which of them have let it down. Shared by its replicas. Pure.
public struct TierLadder: Sendable, Hashable {
    /// A tier that failed this often is put aside for the deployment, successes in between or not: one that is right most of
    /// the time still costs its users a cold start each time that it is not.
    public static let allowedFailureCount = 2

    /// The tiers there are, fastest first; `cold` is always the last.
    public private(set) var offered: [SleepTier]
    /// Tiers of which there is an image to wake from.
    public private(set) var images: Set<SleepTier> = []
    /// How often each tier failed.
    public private(set) var failureCounts: [SleepTier: Int] = [:]
    /// The last failure of each tier.
    public private(set) var lastFailures: [SleepTier: ReplicaFailure] = [:]

    /// A ladder of `tiers`; `cold` is added when it is missing.
    public init(_ tiers: some Sequence<SleepTier>) {
        offered = Set(tiers).union([.cold]).sorted()
    }

    /// Whether a tier is there and has not failed too often. `cold` always is: there is nothing below it to fall to.
    public func isUsable(_ tier: SleepTier) -> Bool {
        guard tier != .cold else { return true }
        return offered.contains(tier) && !isAside(tier)
    }

    /// Whether a tier failed too often.
    public func isAside(_ tier: SleepTier) -> Bool { failureCounts[tier, default: 0] >= Self.allowedFailureCount }

    /// The tier to sleep in: the fastest usable one that is at least as deep as `least`.
    public func tier(atLeast least: SleepTier = .inPlace) -> SleepTier {
        offered.first { $0 >= least && isUsable($0) } ?? .cold
    }

    /// The tier to wake from when the engine's process is gone or good for nothing: the next one below `tier` that needs no
    /// process and of which there is an image.
    public func fallback(below tier: SleepTier) -> SleepTier {
        offered.first { $0 > tier && !$0.keepsProcess && isUsable($0) && images.contains($0) } ?? .cold
    }

    /// Notes a failure; returns whether the tier is put aside by it.
    @discardableResult
    public mutating func failed(_ tier: SleepTier, _ failure: ReplicaFailure) -> Bool {
        guard tier != .cold else { return false }
        lastFailures[tier] = failure
        failureCounts[tier, default: 0] += 1
        // Whatever the image held, waking from it went wrong.
        images.remove(tier)
        return failureCounts[tier] == Self.allowedFailureCount
    }

    /// There is an image of this tier now.
    public mutating func imageMade(_ tier: SleepTier) {
        guard !tier.keepsProcess, tier != .cold else { return }
        images.insert(tier)
    }

    /// The image of this tier is gone.
    public mutating func imageLost(_ tier: SleepTier) { images.remove(tier) }

    /// Takes a tier out that this machine turns out not to have, with the reason.
    public mutating func withdraw(_ tier: SleepTier, _ failure: ReplicaFailure) {
        guard tier != .cold else { return }
        offered.removeAll { $0 == tier }
        images.remove(tier)
        lastFailures[tier] = failure
    }
}
