/// An eligible model with what the choice depends on.
struct Scored: Sendable, Hashable {
    /// Position in the pool; decides between equals.
    let index: Int
    let tier: CapabilityTier
    let quality: Double
    let cost_usd: Double?

    /// An unknown price counts as dearest.
    var sortCost_usd: Double { cost_usd ?? .infinity }
}

/// Orders eligible models: the choice, then the order of failover. Pure.
struct Ranking: Sendable {
    /// What the choice goes by, each with the reason that the chosen model gets.
    enum Rule: Sendable {
        /// The cheapest within this of the best predicted quality.
        case band(Double, Reason)
        /// The best trade.
        case trade(Trade, Reason)
        /// The cheapest of the strongest tier.
        case strongest(Reason)
    }

    /// The choice first. Every eligible model once.
    let order: [Scored]
    private let rule: Rule
    private let strongest: CapabilityTier
    /// Lowest quality within the band.
    private let floor: Double

    /// Ranks `eligible`, which must not be empty.
    init(_ eligible: [Scored], by rule: Rule) {
        self.rule = rule
        let strongest = eligible.reduce(CapabilityTier.cheap) { max($0, $1.tier) }
        self.strongest = strongest
        var floor = -Double.infinity
        // Sums of doubles: without the slack, 0.90 would not be within 0.02 of 0.92.
        if case .band(let band, _) = rule { floor = eligible.reduce(0) { max($0, $1.quality) } - band - 1e-9 }
        self.floor = floor
        var chosen: Scored?
        for scored in eligible {
            switch rule {
            case .band: if scored.quality < floor { continue }
            case .strongest: if scored.tier != strongest { continue }
            case .trade: break
            }
            if let best = chosen, !Ranking.isBetter(scored, best, by: rule, strongest) { continue }
            chosen = scored
        }
        let choice = chosen!
        order = [choice] + Ranking.failover(eligible, after: choice)
    }

    /// All of `eligible` but the choice, in the order of failover.
    static func failover(_ eligible: [Scored], after choice: Scored) -> [Scored] {
        var order = eligible.filter { $0.index != choice.index }
        order.sort { isTriedSooner($0, $1, after: choice.tier) }
        return order
    }

    /// Why `scored` stands where it stands.
    func reason(for scored: Scored) -> Reason {
        let chosen = order[0]
        switch rule {
        case .band(_, let reason), .trade(_, let reason), .strongest(let reason):
            if scored.index == chosen.index { return reason }
        }
        switch rule {
        case .band: if scored.quality < floor { return .belowBand(shortBy: floor - scored.quality) }
        case .strongest: if scored.tier < chosen.tier { return .weakerTier }
        case .trade(let trade, _):
            guard scored.cost_usd != nil else { return .priceUnknown }
            let shortBy =
                Ranking.score(chosen, trade, strongest) - Ranking.score(scored, trade, strongest)
            return shortBy > 0 ? .worseTrade(shortBy: shortBy) : .tied
        }
        guard let cost_usd = scored.cost_usd else { return .priceUnknown }
        let difference = cost_usd - (chosen.cost_usd ?? cost_usd)
        return difference > 0 ? .dearer(by_usd: difference) : .tied
    }

    private static func score(_ scored: Scored, _ trade: Trade, _ strongest: CapabilityTier) -> Double {
        guard let cost_usd = scored.cost_usd else { return -.infinity }
        return trade.score(quality: scored.quality, cost_usd: cost_usd, isStrongest: scored.tier == strongest)
    }

    private static func isBetter(
        _ left: Scored, _ right: Scored, by rule: Rule, _ strongest: CapabilityTier
    ) -> Bool {
        if case .trade(let trade, _) = rule {
            let (leftScore, rightScore) = (score(left, trade, strongest), score(right, trade, strongest))
            if leftScore != rightScore { return leftScore > rightScore }
        }
        return isBetter(left, right)
    }

    /// Cheaper, then better, then earlier in the pool.
    private static func isBetter(_ left: Scored, _ right: Scored) -> Bool {
        if left.sortCost_usd != right.sortCost_usd { return left.sortCost_usd < right.sortCost_usd }
        if left.quality != right.quality { return left.quality > right.quality }
        return left.index < right.index
    }

    /// The choice failed: the same tier, then the next stronger, so that the answer is no worse than promised; only
    /// then weaker ones, the least weak first. Within a tier the cheaper first.
    private static func isTriedSooner(_ left: Scored, _ right: Scored, after tier: CapabilityTier) -> Bool {
        if left.tier != right.tier {
            let leftIsWeaker = left.tier < tier
            let rightIsWeaker = right.tier < tier
            if leftIsWeaker != rightIsWeaker { return rightIsWeaker }
            return leftIsWeaker ? left.tier > right.tier : left.tier < right.tier
        }
        return isBetter(left, right)
    }
}
