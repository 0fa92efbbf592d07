/// How capable a model is, in three steps that its owner sets on its card.
///
/// A classifier predicts success per tier, not per model: a pool may hold models that no training data knows.
public enum CapabilityTier: Int, Sendable, Hashable, CaseIterable, Comparable {
    /// Small and fast: 1-8 billion parameters, or a vendor's "nano" or "mini" of its day.
    case cheap
    /// In between: a vendor's "flash" or "haiku", or an open model of 30-70 billion parameters.
    case mid
    /// The best that the owner is willing to pay for.
    case strong

    /// The name used in configuration, logs and receipts.
    public var name: String {
        switch self {
        case .cheap: "cheap"
        case .mid: "mid"
        case .strong: "strong"
        }
    }

    /// The tier of that name; nil when there is none.
    public init?(name: String) {
        guard let tier = CapabilityTier.allCases.first(where: { $0.name == name }) else { return nil }
        self = tier
    }

    /// Orders by capability.
    public static func < (left: CapabilityTier, right: CapabilityTier) -> Bool { left.rawValue < right.rawValue }
}
