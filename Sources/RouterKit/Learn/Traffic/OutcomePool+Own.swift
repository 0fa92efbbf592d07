extension OutcomePool {
    /// The pool of one's own traffic: every model of a configuration, priced as there; `nil` when there are fewer than
    /// two models, because there is nothing to choose.
    ///
    /// The cheapest model of the weakest tier comes first and that of the strongest tier, whom "always the strongest"
    /// asks, last.
    public init?(ownTrafficOf cards: [ModelCard]) {
        guard cards.count >= 2, let strongest = cards.map(\.tier).max() else { return nil }
        func cost(_ card: ModelCard) -> Double {
            card.price?.cost_usd(inputTokens: 1_000, outputTokens: OutcomeRow.usualOutputTokens) ?? .infinity
        }
        let others = cards.filter { $0.tier < strongest }.sorted { cost($0) < cost($1) }
        let top = cards.filter { $0.tier == strongest }.sorted { cost($0) > cost($1) }
        self.init(
            source: OutcomeStore.source,
            members: (others + top).map { Member(name: $0.name, tier: $0.tier, price: $0.price) })
    }
}

/// What a row of one's own traffic is used for: trained on, calibrated on, or measured on, never two of them.
///
/// Follows from the prompt alone, so that a row keeps its use as the file grows, and prompts that differ only in their
/// answers to choose share one.
public enum OutcomeUse: String, Sendable, Hashable, CaseIterable {
    /// Two of five.
    case training
    /// Two of five.
    case calibration
    /// One of five.
    case evaluation

    /// What `row` is used for.
    public init(of row: OutcomeRow) {
        switch LearnedTrainer.fold(of: row, foldCount: 5) {
        case 0, 1: self = .training
        case 2, 3: self = .calibration
        default: self = .evaluation
        }
    }
}
