import Wire

extension Plan {
    /// The plan for a request that names its model: that model or nobody, without regard to windows and features,
    /// because the provider's own answer about those is what the client wants to see.
    public static func pinned(
        to name: String, _ pool: borrowing PoolView, for requirements: Requirements,
        expectedOutput: ExpectedOutput = ExpectedOutput()
    ) throws(NoCandidate) -> Plan {
        guard let chosen = pool.cards.firstIndex(where: { $0.name == name }) else {
            throw NoCandidate(unknownModel: name, pool: pool)
        }
        let candidates = pool.cards.enumerated().map { index, card in
            var reason = Reason.notRequested
            if index == chosen {
                reason =
                    card.dialects.contains(requirements.dialect) ? .pinned : .dialectNotSpoken(requirements.dialect)
            }
            let cost_usd = card.price?.cost_usd(
                inputTokens: requirements.inputTokens,
                outputTokens: expectedOutput.tokens(for: requirements, from: card))
            return Candidate(model: card.name, tier: card.tier, quality: nil, cost_usd: cost_usd, reason: reason)
        }
        if candidates[chosen].reason.isRejection {
            throw NoCandidate(rejected: [candidates[chosen]], requirements: requirements)
        }
        var others = candidates
        others.remove(at: chosen)
        return Plan(candidates: [candidates[chosen]], rejected: others)
    }
}
