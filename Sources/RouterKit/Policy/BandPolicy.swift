/// The standard policy: hard filters, then the cheapest model within a band of the best predicted quality.
///
/// 1. Models that cannot take the request are rejected (``Requirements/rejection(of:)``, then availability).
/// 2. When the classifier does not trust itself, the cheapest model of the strongest eligible tier is chosen,
///    whatever the mode: a prediction that means nothing must not save money.
/// 3. Else the cheapest model within the mode's band of the best predicted quality is chosen. An unknown price
///    counts as dearest. Equal costs are decided by quality, then by the order of the pool.
/// 4. When the choice fails, equal and stronger tiers are tried before weaker ones.
public struct BandPolicy: RoutingPolicy, Hashable {
    /// Band per mode.
    public var bands: QualityBands
    /// Support below this goes to the strongest tier, 0...1.
    public var supportThreshold: Double
    /// Tokens that cost estimates count with.
    public var expectedOutput: ExpectedOutput

    /// A policy; the defaults are documented at each member's type.
    public init(
        bands: QualityBands = QualityBands(), supportThreshold: Double = 0.5,
        expectedOutput: ExpectedOutput = ExpectedOutput()
    ) {
        precondition((0...1).contains(supportThreshold), "support lies within 0...1")
        self.bands = bands
        self.supportThreshold = supportThreshold
        self.expectedOutput = expectedOutput
    }

    /// The members' values, one line.
    public var canonicalText: String {
        "band-1 quality=\(bands.quality) balanced=\(bands.balanced) cost=\(bands.cost) support=\(supportThreshold)"
            + " chat=\(expectedOutput.chatCompletions) responses=\(expectedOutput.responses)"
            + " messages=\(expectedOutput.messages) completions=\(expectedOutput.completions)"
            + " reasoning=\(expectedOutput.reasoningFactor)"
    }

    /// Plans for a request.
    public func choose(
        _ pool: borrowing PoolView, for request: borrowing RequestView, given assessment: borrowing Assessment,
        mode: RoutingMode
    ) throws(NoCandidate) -> Plan {
        let assessment = copy assessment
        return try plan(pool, for: Requirements(request), support: assessment.support, mode: mode) {
            assessment.quality(of: $0)
        }
    }

    /// Plans for requirements, with a prediction per model.
    public func plan(
        _ pool: borrowing PoolView, for requirements: Requirements, support: Double, mode: RoutingMode,
        quality: (borrowing ModelCard) -> Double
    ) throws(NoCandidate) -> Plan {
        var eligible: [Scored] = []
        var rejected: [Candidate] = []
        eligible.reserveCapacity(pool.cards.count)
        for (index, card) in pool.cards.enumerated() {
            let cost_usd = estimate(card, requirements)
            let quality = quality(card)
            if let reason = pool.rejection(ofCardAt: index, requirements) {
                rejected.append(
                    Candidate(model: card.name, tier: card.tier, quality: quality, cost_usd: cost_usd, reason: reason))
            } else {
                eligible.append(Scored(index: index, tier: card.tier, quality: quality, cost_usd: cost_usd))
            }
        }
        guard !eligible.isEmpty else { throw NoCandidate(rejected: rejected, requirements: requirements) }
        let ranking = Ranking(eligible, band: bands[mode], isUnsure: support < supportThreshold)
        let candidates = ranking.order.map { scored in
            let card = pool.cards[scored.index]
            return Candidate(
                model: card.name, tier: card.tier, quality: scored.quality, cost_usd: scored.cost_usd,
                reason: ranking.reason(for: scored, mode: mode, support: support))
        }
        return Plan(candidates: candidates, rejected: rejected)
    }

    /// Plans for a request that names its model: that model or nobody, without regard to windows and features,
    /// because the provider's own answer about those is what the client wants to see.
    public func pin(_ name: String, _ pool: borrowing PoolView, for requirements: Requirements) throws(NoCandidate)
        -> Plan
    {
        guard let chosen = pool.cards.firstIndex(where: { $0.name == name }) else {
            throw NoCandidate(unknownModel: name, pool: pool)
        }
        let candidates = pool.cards.enumerated().map { index, card in
            var reason = Reason.notRequested
            if index == chosen {
                reason =
                    card.dialects.contains(requirements.dialect) ? .pinned : .dialectNotSpoken(requirements.dialect)
            }
            return Candidate(
                model: card.name, tier: card.tier, quality: nil, cost_usd: estimate(card, requirements),
                reason: reason)
        }
        if candidates[chosen].reason.isRejection {
            throw NoCandidate(rejected: [candidates[chosen]], requirements: requirements)
        }
        var others = candidates
        others.remove(at: chosen)
        return Plan(candidates: [candidates[chosen]], rejected: others)
    }

    private func estimate(_ card: borrowing ModelCard, _ requirements: Requirements) -> Double? {
        card.price?.cost_usd(
            inputTokens: requirements.inputTokens, outputTokens: expectedOutput.tokens(for: requirements, from: card))
    }
}

extension PoolView {
    /// Why the card at `index` cannot take the request now; `nil` when it can.
    fileprivate func rejection(ofCardAt index: Int, _ requirements: Requirements) -> Reason? {
        if let allowed, !allowed.contains(cards[index].name) { return .notAllowed }
        if let reason = requirements.rejection(of: cards[index]) { return reason }
        switch availability[index] {
        case .available: return nil
        case .saturated: return .saturated
        case .coolingDown(let retryAfter_ms): return .coolingDown(retryAfter_ms: retryAfter_ms)
        }
    }
}
