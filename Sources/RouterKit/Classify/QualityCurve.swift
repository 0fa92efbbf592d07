/// The predicted probability that a model of each tier answers a request well.
///
/// Every value lies in 0...1 and the curve never falls with capability: a router that expects less of a better
/// model would send harder requests to weaker models.
public struct QualityCurve: Sendable, Hashable {
    /// Predicted success of a cheap model, 0...1.
    public let cheap: Double
    /// Predicted success of a mid model, `cheap`...1.
    public let mid: Double
    /// Predicted success of a strong model, `mid`...1.
    public let strong: Double

    /// Clamps each value into 0...1 and lifts a better tier to at least the one below it.
    ///
    /// A NaN counts as 0: a prediction that failed must not look like a good one.
    public init(cheap: Double, mid: Double, strong: Double) {
        self.cheap = Self.probability(cheap)
        self.mid = max(self.cheap, Self.probability(mid))
        self.strong = max(self.mid, Self.probability(strong))
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
