public import Wire

/// Asking cheap models first: their answer is taken when it convinces, else the strongest model is asked.
///
/// An answer says more about its own quality than a prompt does, but every call costs money and the hard prompts wait
/// twice. So a cascade is turned on per mode, and only where it can work: whole answers (no streams, no tools), every
/// asked model able to take the request, a classifier that trusts itself, and no guard and no promise in force.
public struct Cascade: Sendable, Hashable {
    /// When cheap answers are taken.
    public enum Acceptance: Sendable, Hashable {
        /// Two models say the same: similarity by the rule (``AnswerMatch``) is at least this, 0...1.
        case agreement(AnswerMatch.Rule, minimumSimilarity: Double)
        /// One model is sure: the mean natural logarithm of its tokens' probabilities is at least this, 0 or less. Chat
        /// Completions only; an upstream that gives no log-probabilities is never sure.
        case confidence(minimumMeanLogProbability: Double)
    }

    /// Names of the models to ask at once: two for agreement, one for confidence.
    public var ask: [String]
    /// When their answer is taken.
    public var acceptance: Acceptance
    /// Where the strongest model's predicted gain over the best asked one is below this, that one alone answers.
    public var gate: Double
    /// The modes in which requests go through the cascade.
    public var modes: Set<RoutingMode>
    /// Longest wait for the cheap answers, in milliseconds.
    public var timeout_ms: Int

    /// A cascade; see the properties for ranges.
    public init(
        ask: [String], acceptance: Acceptance = .agreement(.auto, minimumSimilarity: 1), gate: Double = 0.04,
        modes: Set<RoutingMode> = Set(RoutingMode.allCases), timeout_ms: Int = 30_000
    ) {
        self.ask = ask
        self.acceptance = acceptance
        self.gate = gate
        self.modes = modes
        self.timeout_ms = timeout_ms
    }

    /// How many models are asked at once.
    public var askCount: Int {
        switch acceptance {
        case .agreement: 2
        case .confidence: 1
        }
    }

    /// Everything that decides, one line.
    public var canonicalText: String {
        let rule =
            switch acceptance {
            case .agreement(let rule, let minimum): "agreement:\(rule.rawValue)>=\(minimum)"
            case .confidence(let minimum): "confidence>=\(minimum)"
            }
        let modes = modes.map(\.rawValue).sorted().joined(separator: ",")
        return "cascade ask=\(ask) \(rule) gate=\(gate) modes=\(modes)"
            + " timeout=\(timeout_ms)"
    }

    /// What the cascade makes of a plan; `nil` when the request does not go through it.
    func start(_ plan: Plan, for request: borrowing RequestView, mode: RoutingMode) -> Start? {
        guard modes.contains(mode), takes(request) else { return nil }
        switch plan.chosen.reason {
        case .bestQuality, .cheapestInBand, .bestTrade: break
        default: return nil
        }
        let asked = ask.compactMap { name in plan.candidates.first { $0.model == name } }
        guard asked.count == askCount, let top = plan.candidates.max(by: Self.isBelow),
            asked.allSatisfy({ $0.tier < top.tier }),
            let best = asked.max(by: { ($0.quality ?? 0, -Self.cost($0)) < ($1.quality ?? 0, -Self.cost($1)) })
        else { return nil }
        let gain = (top.quality ?? 0) - (best.quality ?? 0)
        if gain < gate {
            return Start(plan: plan.putting(best, first: .cascadeGate(gain: gain)), asked: [], best: best.model)
        }
        return Start(
            plan: plan.putting(top, first: .cascadeTop(gain: gain)), asked: asked.map(\.model), best: best.model)
    }

    /// Answers can be compared only whole, and only as text.
    private func takes(_ request: borrowing RequestView) -> Bool {
        guard !request.stream, request.toolCount == 0, request.previousResponseID == nil else { return false }
        switch request.dialect {
        case .chatCompletions: return true
        case .messages, .responses, .completions: return askCount == 2
        case .embeddings: return false
        }
    }

    private static func cost(_ candidate: Candidate) -> Double { candidate.cost_usd ?? .infinity }

    /// The strongest tier's cheapest model is on top.
    private static func isBelow(_ left: Candidate, _ right: Candidate) -> Bool {
        left.tier != right.tier ? left.tier < right.tier : cost(left) > cost(right)
    }

    /// A request on its way through the cascade.
    struct Start {
        /// The models to try when nothing cheap was accepted.
        let plan: Plan
        /// Models to ask first; none behind the gate.
        let asked: [String]
        /// Of the asked ones the best predicted, whose answer is the one to take.
        let best: String
    }
}

extension Plan {
    /// The same plan with another first choice, which gets `reason`; the order of failover follows from it.
    fileprivate func putting(_ first: Candidate, first reason: Reason) -> Plan {
        let scored = candidates.enumerated().map {
            Scored(index: $0, tier: $1.tier, quality: $1.quality ?? 0, cost_usd: $1.cost_usd)
        }
        guard let index = candidates.firstIndex(where: { $0.model == first.model }) else { return self }
        let others = Ranking.failover(scored, after: scored[index]).map { candidates[$0.index] }
        let choice = Candidate(
            model: first.model, tier: first.tier, quality: first.quality, cost_usd: first.cost_usd, reason: reason)
        return Plan(candidates: [choice] + others, rejected: rejected)
    }
}

/// What became of a cascade, for the receipt.
public struct CascadeRecord: Sendable, Hashable {
    /// How it ended.
    public enum Verdict: String, Sendable, Hashable, CaseIterable {
        /// Not asked yet: the receipt of a decision alone.
        case planned
        /// A cheap answer was taken.
        case accepted
        /// The cheap answers differed, or said nothing that can be compared.
        case disagreed
        /// The cheap model was not sure, or did not say how sure it was.
        case unsure
        /// A cheap model failed or was too slow.
        case failed

        /// Stable and bounded.
        public var label: String { rawValue }
    }

    /// One call to a cheap model.
    public struct Call: Sendable, Hashable {
        /// The model's name in the pool.
        public var model: String
        /// Tokens as the upstream counted them; `nil` when it did not say.
        public var usage: TokenUsage?
        /// What the call cost; `nil` when tokens or price are unknown, 0 when it failed before an answer.
        public var cost_usd: Double?
    }

    /// How it ended.
    public var verdict: Verdict
    /// The cheap calls that were made.
    public var calls: [Call]
    /// Similarity of the two answers, 0...1, or the mean log-probability of one; `nil` when there was nothing to judge.
    public var evidence: Double?
}
