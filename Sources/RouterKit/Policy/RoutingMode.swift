/// How much predicted quality may be given up for money.
public enum RoutingMode: String, Sendable, Hashable, CaseIterable {
    /// The best predicted quality; among equals the cheapest.
    case quality
    /// The cheapest model whose predicted quality is within a narrow band of the best.
    case balanced
    /// The cheapest model within a wider band.
    case cost

    /// The name in configuration, headers and `auto:NAME`.
    public var label: String { rawValue }
}

/// How far below the best predicted quality a model may lie and still be taken, per mode, 0...1.
///
/// The defaults lie at the outer edge of what Azure documents for its modes of the same names (1-2 % and 5-6 %).
public struct QualityBands: Sendable, Hashable {
    /// For ``RoutingMode/quality``.
    public var quality: Double
    /// For ``RoutingMode/balanced``.
    public var balanced: Double
    /// For ``RoutingMode/cost``.
    public var cost: Double

    /// Bands; each is a difference of predicted success, 0...1.
    public init(quality: Double = 0, balanced: Double = 0.02, cost: Double = 0.06) {
        precondition(
            [quality, balanced, cost].allSatisfy { (0...1).contains($0) }, "a band is a difference within 0...1")
        self.quality = quality
        self.balanced = balanced
        self.cost = cost
    }

    /// The band of `mode`.
    public subscript(_ mode: RoutingMode) -> Double {
        switch mode {
        case .quality: quality
        case .balanced: balanced
        case .cost: cost
        }
    }
}
