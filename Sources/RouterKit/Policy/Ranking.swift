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
    /// The choice first. Every eligible model once.
    let order: [Scored]
    private let floor: Double
    private let band: Double
    private let isUnsure: Bool

    /// Ranks `eligible`, which must not be empty.
    init(_ eligible: [Scored], band: Double, isUnsure: Bool) {
        // Sums of doubles: without the slack, 0.90 would not be within 0.02 of 0.92.
        let best = eligible.reduce(0) { max($0, $1.quality) }
        floor = best - band - 1e-9
        self.band = band
        self.isUnsure = isUnsure
        let strongest = eligible.reduce(CapabilityTier.cheap) { max($0, $1.tier) }
        let floor = floor
        let chosen =
            eligible
            .filter { isUnsure ? $0.tier == strongest : $0.quality >= floor }
            .min(by: Ranking.isBetter)!
        let others = eligible.filter { $0.index != chosen.index }.sorted { left, right in
            Ranking.isTriedSooner(left, right, after: chosen.tier)
        }
        order = [chosen] + others
    }

    /// Why `scored` stands where it stands.
    func reason(for scored: Scored, mode: RoutingMode, support: Double) -> Reason {
        let chosen = order[0]
        if scored.index == chosen.index {
            if isUnsure { return .strongestForLowSupport(support: support) }
            return mode == .quality && band == 0 ? .bestQuality : .cheapestInBand(band: band)
        }
        if isUnsure {
            if scored.tier < chosen.tier { return .weakerTier }
        } else if scored.quality < floor {
            return .belowBand(shortBy: floor - scored.quality)
        }
        guard let cost_usd = scored.cost_usd else { return .priceUnknown }
        let difference = cost_usd - (chosen.cost_usd ?? cost_usd)
        return difference > 0 ? .dearer(by_usd: difference) : .tied
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
