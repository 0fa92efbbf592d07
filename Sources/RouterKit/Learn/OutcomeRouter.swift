public import Wire

/// Decides for prompts of outcome files as a gateway would that serves the pool of the row's source.
///
/// A decision depends on the prompt and the pool only. Safe to use from any task.
public struct OutcomeRouter: Sendable {
    /// One decision.
    public struct Routed: Sendable {
        /// What the classifier said.
        public let assessment: Assessment
        /// The choice; every model of the pool is in it.
        public let plan: Plan
        /// Predicted success per model of the pool, weakest tier first.
        public let predicted: [Double]
    }

    private struct Bound: Sendable {
        let pool: OutcomePool
        let classifier: any ComplexityClassifier
        let policy: any RoutingPolicy
        let view: PoolView
    }

    private let bound: [String: Bound]
    private let mode: RoutingMode
    private let limits: Limits

    /// A router for the pools of `tiers`.
    public init(
        tiers: TierTable, classifier: any ComplexityClassifier, policy: any RoutingPolicy,
        mode: RoutingMode = .balanced, limits: Limits = .standard
    ) {
        var bound: [String: Bound] = [:]
        for pool in tiers.pools {
            let cards = pool.cards
            bound[pool.source] = Bound(
                pool: pool, classifier: classifier.bound(to: cards),
                policy: policy.bound(to: cards, classifierVersion: classifier.version), view: PoolView(cards: cards))
        }
        self.bound = bound
        self.mode = mode
        self.limits = limits
    }

    /// Decides for `prompt` (UTF-8) in the pool of `source`, which must be in the table.
    public func route(_ prompt: [UInt8], source: String) -> Routed {
        guard let bound = bound[source] else { preconditionFailure("a source without a pool") }
        var assessment = Assessment.unknown("unreadable")
        var request: RequestView?
        do {
            let view = try RequestView(asking: String(decoding: prompt, as: UTF8.self), limits: limits)
            assessment = bound.classifier.assess(view)
            request = view
        } catch {
            // Beyond the limits: nothing is known of it, and the policy decides on an empty ask without support.
            request = try? RequestView(asking: "")
        }
        guard let request,
            let plan = try? bound.policy.choose(bound.view, for: request, given: assessment, mode: mode)
        else { preconditionFailure("a plain question fits models without bounds") }
        return Routed(
            assessment: assessment, plan: plan, predicted: bound.view.cards.map { assessment.quality(of: $0) })
    }

    /// Decides for `row` and puts the outcome beside it; `nil` when the row lacks a score of its pool.
    public func judge(_ row: OutcomeRow) -> JudgedRow? {
        guard let pool = bound[row.source]?.pool, pool.covers(row) else { return nil }
        let routed = route(row.prompt, source: row.source)
        let all = routed.plan.candidates + routed.plan.rejected
        return JudgedRow(
            source: row.source, predicted: routed.predicted,
            expected_usd: pool.members.map { member in all.first { $0.model == member.name }?.cost_usd },
            scores: pool.members.map { row.scores[$0.name]! },
            costs_usd: pool.members.map { row.cost_usd(of: $0) },
            choice: pool.members.firstIndex { $0.name == routed.plan.chosen.model }!,
            support: routed.assessment.support)
    }
}
