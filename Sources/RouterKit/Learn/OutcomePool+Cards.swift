extension OutcomePool {
    /// The pool as cards without deployments, for classifiers and policies.
    public var cards: [ModelCard] {
        members.map {
            ModelCard(
                name: $0.name, tier: $0.tier, price: $0.price, contextWindowTokens: 1_000_000_000, deployments: [])
        }
    }
}
