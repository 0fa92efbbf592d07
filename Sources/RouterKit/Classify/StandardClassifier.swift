/// What judges requests when nobody chose a classifier: learned weights for a pool whose models they know by name, and
/// counting rules that know tiers only for any other.
public struct StandardClassifier: ComplexityClassifier {
    private let learned: LearnedClassifier
    private let counting = HeuristicClassifier()

    /// - Parameter weights: of ``LearnedClassifier``; for one's own pool train them (``LearnedTrainer``).
    public init(weights: LearnedWeights = .shipped) { learned = LearnedClassifier(weights) }

    /// Of the counting rules, which judge until the classifier is bound to a pool that the weights know.
    public var version: String { counting.version }

    /// Judges by the counting rules.
    public func assess(_ request: borrowing RequestView) -> Assessment { counting.assess(request) }

    /// What the counting rules say, which judge until the classifier is bound.
    public func evidence(
        for request: borrowing RequestView, between stronger: borrowing ModelCard, and weaker: borrowing ModelCard
    ) -> Evidence? { counting.evidence(for: request, between: stronger, and: weaker) }

    /// The learned classifier when its weights know every model of `cards` by name, else the counting rules.
    public func bound(to cards: [ModelCard]) -> any ComplexityClassifier {
        let learned = learned.known(cards)
        return learned.knowsPool ? learned : counting
    }
}
