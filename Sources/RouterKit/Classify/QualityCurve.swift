/// The predicted probability that a model of each tier answers a request well.
///
/// Every value lies in 0...1. The curve may fall with capability: on real outcomes a weaker model is better on some
/// kinds of prompts, and a classifier that has seen so says so. One that only guesses must give a curve that rises.
public struct QualityCurve: Sendable, Hashable {
    /// Predicted success of a cheap model, 0...1.
    public let cheap: Double
    /// Predicted success of a mid model, 0...1.
    public let mid: Double
    /// Predicted success of a strong model, 0...1.
    public let strong: Double

    /// Clamps each value into 0...1.
    ///
    /// A NaN counts as 0: a prediction that failed must not look like a good one.
    public init(cheap: Double, mid: Double, strong: Double) {
        self.cheap = Self.probability(cheap)
        self.mid = Self.probability(mid)
        self.strong = Self.probability(strong)
    }

    /// The prediction for `tier`.
    public subscript(_ tier: CapabilityTier) -> Double {
        switch tier {
        case .cheap: cheap
        case .mid: mid
        case .strong: strong
        }
    }

    private static func probability(_ value: Double) -> Double {
        value.isNaN ? 0 : min(1, max(0, value))
    }
}
