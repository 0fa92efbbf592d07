/// The standard policy: hard filters, then the best trade of predicted quality against cost.
///
/// 1. Models that cannot take the request are rejected (``Requirements/rejection(of:)``, then availability).
/// 2. When the classifier does not trust itself, the cheapest model of the strongest eligible tier is chosen,
///    whatever the mode: a prediction that means nothing must not save money.
/// 3. With a ``promise``, the trade that was proven to keep it is used whatever the mode; where none was, the
///    strongest tier answers, and the receipt says what is missing.
/// 4. Where ``table`` has an entry for exactly this pool, made for this classifier, the mode's ``Trade`` decides.
/// 5. Else the cheapest model within the mode's band of the best predicted quality is chosen. An unknown price
///    counts as dearest. Equal costs are decided by quality, then by the order of the pool.
/// 6. A request that sets off one of ``guards`` is answered by the strongest tier that can take it, or by no tier below
///    the guards' floor; while none of these is available, by nobody.
/// 7. When the choice fails, equal and stronger tiers are tried before weaker ones.
public struct TradePolicy: RoutingPolicy {
    /// Band per mode, for pools that nobody calibrated.
    public var bands: QualityBands
    /// Support below this goes to the strongest tier, 0...1; a calibrated pool has its own.
    public var supportThreshold: Double
    /// Tokens that cost estimates count with, for pools that nobody calibrated.
    public var expectedOutput: ExpectedOutput
    /// Calibrated pools; `nil` for bands only.
    public var table: PolicyTable?
    /// What must be kept whatever the mode; `nil` for no promise.
    public var promise: Promise?
    /// Topics that never go down; `nil` for none.
    public var guards: GuardSet?

    private var binding: Binding?

    /// What ``table`` means for one pool and classifier.
    private struct Binding: Sendable {
        let names: [String]
        let fit: PolicyTable.Fit
        /// Per model of `names`; empty without an entry.
        let outputTokens: [Int]
        /// Set when there is a promise.
        let promised: Result<Trade, PolicyTable.Gap>
    }

    /// A policy; the defaults are documented at each member's type.
    public init(
        bands: QualityBands = QualityBands(), supportThreshold: Double = 0.5,
        expectedOutput: ExpectedOutput = ExpectedOutput(), table: PolicyTable? = nil, promise: Promise? = nil,
        guards: GuardSet? = nil
    ) {
        precondition((0...1).contains(supportThreshold), "support lies within 0...1")
        self.bands = bands
        self.supportThreshold = supportThreshold
        self.expectedOutput = expectedOutput
        self.table = table
        self.promise = promise
        self.guards = guards
    }

    /// The members' values, one line.
    public var canonicalText: String {
        "trade-1 quality=\(bands.quality) balanced=\(bands.balanced) cost=\(bands.cost) support=\(supportThreshold)"
            + " chat=\(expectedOutput.chatCompletions) responses=\(expectedOutput.responses)"
            + " messages=\(expectedOutput.messages) completions=\(expectedOutput.completions)"
            + " reasoning=\(expectedOutput.reasoningFactor) table=\(table?.checksum ?? "-")"
            + " promise=\(promise.map { "\($0.loss)@\($0.confidence)" } ?? "-")"
            + " \(guards?.canonicalText ?? "guards=-")"
    }

    /// This policy with its table looked up for `cards`; unbound, it uses bands and keeps promises by the strongest.
    public func bound(to cards: [ModelCard], classifierVersion: String) -> any RoutingPolicy {
        var bound = self
        let fit = table?.fit(cards, classifierVersion: classifierVersion) ?? .missing(.noTable)
        var outputTokens: [Int] = []
        var promised: Result<Trade, PolicyTable.Gap>
        switch fit {
        case .calibrated(let pool):
            outputTokens = cards.map { pool.model(named: $0.name)?.outputTokens ?? 0 }
            promised = promise.map { pool.trade(keeping: $0, for: cards) } ?? .failure(.noPromise)
        case .missing(let gap): promised = .failure(gap)
        }
        bound.binding = Binding(names: cards.map(\.name), fit: fit, outputTokens: outputTokens, promised: promised)
        return bound
    }

    /// What the table had for the pool that this policy was bound to; `nil` when it is unbound.
    public var fit: PolicyTable.Fit? { binding?.fit }

    /// Why the promise is kept by the strongest tier alone; `nil` when a trade was proven, or nothing is promised.
    public var gap: PolicyTable.Gap? {
        guard promise != nil, case .failure(let gap) = binding?.promised ?? .failure(.noTable) else { return nil }
        return gap
    }

    /// Plans for a request.
    public func choose(
        _ pool: borrowing PoolView, for request: borrowing RequestView, given assessment: borrowing Assessment,
        mode: RoutingMode
    ) throws(NoCandidate) -> Plan {
        let assessment = copy assessment
        let alarm = guards?.match(request)
        return try plan(
            pool, for: Requirements(request), support: assessment.support, mode: mode, alarm: alarm
        ) {
            assessment.quality(of: $0)
        }
    }

    /// Plans for requirements, with a prediction per model.
    ///
    /// - Parameter alarm: the name of the guard that the request set off; `nil` for none.
    public func plan(
        _ pool: borrowing PoolView, for requirements: Requirements, support: Double, mode: RoutingMode,
        alarm: String? = nil, quality: (borrowing ModelCard) -> Double
    ) throws(NoCandidate) -> Plan {
        let binding = binding(for: pool)
        let floor = alarm.map { _ in lowestTier(of: pool, for: requirements) } ?? .cheap
        var eligible: [Scored] = []
        var rejected: [Candidate] = []
        eligible.reserveCapacity(pool.cards.count)
        for (index, card) in pool.cards.enumerated() {
            let known = binding.flatMap { $0.outputTokens.isEmpty ? nil : $0.outputTokens[index] }
            let tokens = expectedOutput.tokens(for: requirements, from: card, known: known)
            let cost_usd = card.price?.cost_usd(inputTokens: requirements.inputTokens, outputTokens: tokens)
            let quality = quality(card)
            let reason =
                card.tier < floor
                ? .belowFloor(guard: alarm ?? "", floor) : pool.rejection(ofCardAt: index, requirements)
            if let reason {
                rejected.append(
                    Candidate(model: card.name, tier: card.tier, quality: quality, cost_usd: cost_usd, reason: reason))
            } else {
                eligible.append(Scored(index: index, tier: card.tier, quality: quality, cost_usd: cost_usd))
            }
        }
        guard !eligible.isEmpty else { throw NoCandidate(rejected: rejected, requirements: requirements) }
        let ranking = Ranking(eligible, by: rule(binding, support: support, mode: mode, alarm))
        let candidates = ranking.order.map { scored in
            let card = pool.cards[scored.index]
            return Candidate(
                model: card.name, tier: card.tier, quality: scored.quality, cost_usd: scored.cost_usd,
                reason: ranking.reason(for: scored))
        }
        return Plan(candidates: candidates, rejected: rejected)
    }

    /// The binding, if it is for these models: a pool whose cards were just replaced may not be the one bound to.
    private func binding(for pool: borrowing PoolView) -> Binding? {
        guard let binding, binding.names.count == pool.cards.count else { return nil }
        for index in binding.names.indices where binding.names[index] != pool.cards[index].name { return nil }
        return binding
    }

    /// The lowest tier that may answer a guarded request: the floor, but never above what the pool has for it.
    private func lowestTier(of pool: borrowing PoolView, for requirements: Requirements) -> CapabilityTier {
        var strongest = CapabilityTier.cheap
        for index in pool.cards.indices {
            guard let reason = pool.rejection(ofCardAt: index, requirements), !reason.isTemporary else {
                strongest = max(strongest, pool.cards[index].tier)
                continue
            }
        }
        return min(guards?.floor ?? strongest, strongest)
    }

    /// What the models of `pool` are ranked by; see ``plan(_:for:support:mode:alarm:quality:)``.
    func rule(for pool: borrowing PoolView, support: Double, mode: RoutingMode, alarm: String?) -> Ranking.Rule {
        rule(binding(for: pool), support: support, mode: mode, alarm)
    }

    /// Support below this goes to the strongest tier of `pool`.
    func supportThreshold(for pool: borrowing PoolView) -> Double {
        guard case .calibrated(let entry) = binding(for: pool)?.fit else { return supportThreshold }
        return entry.supportThreshold
    }

    private func rule(
        _ binding: Binding?, support: Double, mode: RoutingMode, _ alarm: String?
    ) -> Ranking.Rule {
        if let alarm, guards?.floor == nil { return .strongest(.guarded(alarm)) }
        var threshold = supportThreshold
        var calibrated: PolicyTable.Pool?
        if case .calibrated(let pool) = binding?.fit {
            threshold = pool.supportThreshold
            calibrated = pool
        }
        if support < threshold { return .strongest(.strongestForLowSupport(support: support)) }
        if let promise {
            switch binding?.promised ?? .failure(.noTable) {
            case .success(let trade): return .trade(trade, .guaranteed(promise))
            case .failure(let gap): return .strongest(.noGuarantee(gap))
            }
        }
        if let entry = calibrated?.modes[mode] {
            return .trade(entry.trade, .bestTrade(allowedLoss: entry.allowedLoss))
        }
        let band = bands[mode]
        return .band(band, mode == .quality && band == 0 ? .bestQuality : .cheapestInBand(band: band))
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
