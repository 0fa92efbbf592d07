/// What a router predicted and chose for one row, beside what really happened. Values are per model of the row's
/// pool, weakest tier first.
public struct JudgedRow: Sendable, Hashable {
    /// ``OutcomeRow/source``.
    public var source: String
    /// Predicted success, 0...1.
    public var predicted: [Double]
    /// Cost that the policy estimated, in USD; `nil` for an unknown price.
    public var expected_usd: [Double?]
    /// Measured score, 0...1.
    public var scores: [Double]
    /// Cost of the call, in USD; `nil` for an unknown price.
    public var costs_usd: [Double?]
    /// The position of the chosen model.
    public var choice: Int
    /// The classifier's trust in itself, 0...1.
    public var support: Double

    /// A row; see the properties.
    public init(
        source: String, predicted: [Double], expected_usd: [Double?], scores: [Double], costs_usd: [Double?],
        choice: Int, support: Double
    ) {
        precondition(
            [expected_usd.count, scores.count, costs_usd.count].allSatisfy { $0 == predicted.count }
                && predicted.indices.contains(choice), "one value a model each, and one of them chosen")
        self.source = source
        self.predicted = predicted
        self.expected_usd = expected_usd
        self.scores = scores
        self.costs_usd = costs_usd
        self.choice = choice
        self.support = support
    }

    /// Predicted gain of the strongest model over the cheapest tier's.
    public var predictedGain: Double { predicted[predicted.count - 1] - predicted[0] }

    /// The choice beside always-strong; `nil` when a price is unknown.
    public var mixRow: MixFigures.Row? { mixRow(choosing: choice) }

    /// `position` beside always-strong; `nil` when a price is unknown.
    public func mixRow(choosing position: Int) -> MixFigures.Row? {
        let last = scores.count - 1
        guard let cost_usd = costs_usd[position], let strong_usd = costs_usd[last] else { return nil }
        return MixFigures.Row(
            difference: scores[position] - scores[last], cost_usd: cost_usd, strong_usd: strong_usd)
    }
}
