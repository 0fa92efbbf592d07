/// A change of the policy, or of what it goes by, that makes it choose another model for one request.
public struct PolicyFlip: Sendable, Hashable {
    /// What is changed, and to what: the nearest value that was tried and does it.
    public enum Change: Sendable, Hashable {
        /// ``Trade/costWeight_perUSD``.
        case costWeight_perUSD(from: Double, to: Double)
        /// ``Trade/margin``.
        case margin(from: Double, to: Double)
        /// The band of the mode (``QualityBands``).
        case band(from: Double, to: Double)
        /// The predicted success of one model.
        case quality(of: String, from: Double, to: Double)
        /// The estimated cost of the request at one model, in USD.
        case cost_usd(of: String, from: Double, to: Double)
        /// Support below which the strongest tier answers.
        case supportThreshold(from: Double, to: Double)
        /// Another mode.
        case mode(RoutingMode)
        /// No promise.
        case withoutPromise
        /// No guards.
        case withoutGuards
    }

    /// The change.
    public let change: Change
    /// The model that is chosen then.
    public let model: String
}

/// Finds ``PolicyFlip``s for one decision of a ``TradePolicy``. Every one that is found was tried.
struct PolicyFlips {
    private let scored: [Scored]
    private let names: [String]
    private let rule: Ranking.Rule
    private let chosen: Scored
    private(set) var found: [PolicyFlip] = []

    /// How far past a tie a value is taken, in predicted success; ties go to the cheaper model.
    private static let beyond = 1e-6

    /// - Parameters:
    ///   - scored: the eligible models; `index` is their position in `names`.
    ///   - rule: what they are ranked by.
    init(_ scored: [Scored], names: [String], rule: Ranking.Rule) {
        self.scored = scored
        self.names = names
        self.rule = rule
        chosen = Ranking(scored, by: rule).order[0]
        switch rule {
        case .trade(let trade, let reason): searchTrade(trade, reason)
        case .band(let band, let reason): searchBand(band, reason)
        case .strongest: break
        }
    }

    private mutating func searchTrade(_ trade: Trade, _ reason: Reason) {
        guard let cost_usd = chosen.cost_usd else { return }
        let top = scored.reduce(CapabilityTier.cheap) { max($0, $1.tier) }
        let score = { (model: Scored) in
            trade.score(quality: model.quality, cost_usd: model.cost_usd!, isStrongest: model.tier == top)
        }
        var (weights, margins, qualities, costs): ([Double], [Double], [Scored], [Scored]) = ([], [], [], [])
        for other in scored where other.index != chosen.index && other.cost_usd != nil {
            let behind = score(chosen) - score(other)
            let dearer_usd = other.cost_usd! - cost_usd
            // Where both score alike: quality and margin speak for the chosen by so much, costs are set against it.
            if dearer_usd != 0 {
                weights.append(trade.costWeight_perUSD - (behind + Self.beyond) / dearer_usd)
            }
            if (other.tier == top) != (chosen.tier == top) {
                margins.append(trade.margin + (other.tier == top ? 1 : -1) * (behind + Self.beyond))
            }
            qualities.append(other.with(quality: other.quality + behind + Self.beyond))
            if trade.costWeight_perUSD > 0 {
                costs.append(other.with(cost_usd: other.cost_usd! - (behind + Self.beyond) / trade.costWeight_perUSD))
            }
        }
        nearest(weights.filter { $0 >= 0 && $0.isFinite }, to: trade.costWeight_perUSD) { value in
            var changed = trade
            changed.costWeight_perUSD = value
            return (.costWeight_perUSD(from: trade.costWeight_perUSD, to: value), .trade(changed, reason))
        }
        nearest(margins.filter { abs($0) <= 2 }, to: trade.margin) { value in
            var changed = trade
            changed.margin = value
            return (.margin(from: trade.margin, to: value), .trade(changed, reason))
        }
        nearest(qualities)
        let before = Dictionary(uniqueKeysWithValues: scored.map { ($0.index, $0.cost_usd) })
        let possible = costs.filter { $0.cost_usd! >= 0 }
        if let best = possible.min(by: { before[$0.index]!! - $0.cost_usd! < before[$1.index]!! - $1.cost_usd! }) {
            take(
                .cost_usd(of: names[best.index], from: before[best.index]!!, to: best.cost_usd!),
                choice(replacing(best), rule))
        }
    }

    private mutating func searchBand(_ band: Double, _ reason: Reason) {
        let best = scored.reduce(0) { max($0, $1.quality) }
        var bands: [Double] = []
        if chosen.quality < best { bands.append(best - chosen.quality - Self.beyond) }
        let cheaper = scored.filter { $0.index != chosen.index && $0.sortCost_usd < chosen.sortCost_usd }
        bands += cheaper.filter { $0.quality < best - band }.map { best - $0.quality + Self.beyond }
        nearest(bands.filter { (0...1).contains($0) }, to: band) { value in
            (.band(from: band, to: value), .band(value, reason))
        }
        nearest(cheaper.map { $0.with(quality: max($0.quality, best - band) + Self.beyond) })
    }

    /// Of the values that flip the choice the one nearest to `present`.
    private mutating func nearest(
        _ values: [Double], to present: Double, _ change: (Double) -> (PolicyFlip.Change, Ranking.Rule)
    ) {
        for value in values.sorted(by: { abs($0 - present) < abs($1 - present) }) {
            let (change, rule) = change(value)
            if take(change, choice(scored, rule)) { return }
        }
    }

    /// Of models with another quality the one that needs the least change.
    private mutating func nearest(_ changed: [Scored]) {
        let before = Dictionary(uniqueKeysWithValues: scored.map { ($0.index, $0.quality) })
        let possible = changed.filter { $0.quality <= 1 }
        guard let best = possible.min(by: { $0.quality - before[$0.index]! < $1.quality - before[$1.index]! }) else {
            return
        }
        take(
            .quality(of: names[best.index], from: before[best.index]!, to: best.quality), choice(replacing(best), rule))
    }

    private func replacing(_ model: Scored) -> [Scored] { scored.map { $0.index == model.index ? model : $0 } }

    private func choice(_ scored: [Scored], _ rule: Ranking.Rule) -> Int { Ranking(scored, by: rule).order[0].index }

    @discardableResult
    private mutating func take(_ change: PolicyFlip.Change, _ choice: Int) -> Bool {
        guard choice != chosen.index else { return false }
        found.append(PolicyFlip(change: change, model: names[choice]))
        return true
    }
}

extension Scored {
    fileprivate func with(quality: Double) -> Scored {
        Scored(index: index, tier: tier, quality: quality, cost_usd: cost_usd)
    }
    fileprivate func with(cost_usd: Double) -> Scored {
        Scored(index: index, tier: tier, quality: quality, cost_usd: cost_usd)
    }
}

extension TradePolicy {
    /// What would make this policy, bound to the pool, choose otherwise than `plan`.
    func flips(
        of plan: Plan, _ pool: PoolView, for request: borrowing RequestView, given assessment: Assessment,
        mode: RoutingMode
    ) -> [PolicyFlip] {
        let names = pool.cards.map(\.name)
        let scored = plan.candidates.map { candidate in
            Scored(
                index: names.firstIndex(of: candidate.model)!, tier: candidate.tier,
                quality: candidate.quality ?? 0, cost_usd: candidate.cost_usd)
        }
        let alarm = guards?.match(request)
        let rule = rule(for: pool, support: assessment.support, mode: mode, alarm: alarm)
        var found = PolicyFlips(scored, names: names, rule: rule).found
        let add = { (change: PolicyFlip.Change, other: Plan?) in
            guard let other, other.chosen.model != plan.chosen.model else { return }
            found.append(PolicyFlip(change: change, model: other.chosen.model))
        }
        if alarm != nil {
            var policy = self
            policy.guards = nil
            add(.withoutGuards, try? policy.choose(pool, for: request, given: assessment, mode: mode))
        }
        let threshold = supportThreshold(for: pool)
        if assessment.support < threshold {
            add(
                .supportThreshold(from: threshold, to: assessment.support),
                try? self.plan(
                    pool, for: Requirements(request), support: 1, mode: mode, alarm: alarm,
                    quality: { assessment.quality(of: $0) }))
        }
        if promise != nil {
            var policy = self
            policy.promise = nil
            add(.withoutPromise, try? policy.choose(pool, for: request, given: assessment, mode: mode))
        } else {
            for other in RoutingMode.allCases where other != mode {
                add(.mode(other), try? choose(pool, for: request, given: assessment, mode: other))
            }
        }
        return found
    }
}
