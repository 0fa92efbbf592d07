/// One model's place in a plan.
public struct Candidate: Sendable, Hashable {
    /// The model's name in the pool.
    public let model: String
    /// Its tier.
    public let tier: CapabilityTier
    /// Predicted probability of a good answer, 0...1; `nil` when nothing was predicted because the client chose.
    public let quality: Double?
    /// Estimated cost of this request in USD; `nil` when the price is unknown.
    public let cost_usd: Double?
    /// Why it stands where it stands.
    public let reason: Reason

    /// A model's place.
    public init(model: String, tier: CapabilityTier, quality: Double?, cost_usd: Double?, reason: Reason) {
        self.model = model
        self.tier = tier
        self.quality = quality
        self.cost_usd = cost_usd
        self.reason = reason
    }
}

/// What a policy decided: whom to ask, whom to ask next when that fails, and why nobody else.
///
/// Every model of the pool appears exactly once, in one of the two lists.
public struct Plan: Sendable, Hashable {
    /// Models in the order in which to try them, the choice first; never empty.
    public let candidates: [Candidate]
    /// Models that cannot take the request, in the pool's order.
    public let rejected: [Candidate]

    /// A plan; `candidates` must not be empty.
    public init(candidates: [Candidate], rejected: [Candidate]) {
        precondition(!candidates.isEmpty, "a plan without candidates is a NoCandidate error")
        self.candidates = candidates
        self.rejected = rejected
    }

    /// The model to ask first.
    public var chosen: Candidate { candidates[0] }

    /// Whom "always the strongest" would have asked: the cheapest model of the strongest tier that can take the
    /// request, busy or not. What its price makes of the same tokens is the baseline of the saving.
    public var alwaysStrong: Candidate {
        var best = chosen
        for candidate in candidates where Self.isStronger(candidate, than: best) { best = candidate }
        for candidate in rejected where candidate.reason.isTemporary && Self.isStronger(candidate, than: best) {
            best = candidate
        }
        return best
    }

    private static func isStronger(_ candidate: Candidate, than other: Candidate) -> Bool {
        if candidate.tier != other.tier { return candidate.tier > other.tier }
        return (candidate.cost_usd ?? .infinity) < (other.cost_usd ?? .infinity)
    }
}
