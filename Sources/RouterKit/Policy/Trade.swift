/// How predicted quality is traded for money: the model with the greatest
/// `quality + margin (of the strongest tier) - costWeight_perUSD * cost` is taken.
public struct Trade: Sendable, Hashable {
    /// Predicted success that one US dollar a request is worth, 0 or more: at 100, a cent more must buy one more
    /// success in every request.
    public var costWeight_perUSD: Double
    /// Added to the strongest tier's quality, -2...2: how much better than the strongest a cheaper model must look.
    public var margin: Double

    /// A trade; see the properties for ranges.
    public init(costWeight_perUSD: Double, margin: Double) {
        precondition(
            costWeight_perUSD >= 0 && costWeight_perUSD.isFinite && abs(margin) <= 2,
            "a cost weight is 0 or more, a margin within -2...2")
        self.costWeight_perUSD = costWeight_perUSD
        self.margin = margin
    }

    /// What a model is worth by this trade.
    @inline(__always)
    public func score(quality: Double, cost_usd: Double, isStrongest: Bool) -> Double {
        quality + (isStrongest ? margin : 0) - costWeight_perUSD * cost_usd
    }
}

/// "Lose at most `loss` against always asking the strongest model, with this confidence."
public struct Promise: Sendable, Hashable {
    /// Mean score that may be lost, 0...1; 0.01 is one point.
    public var loss: Double
    /// The share of calibrations that keep the promise, 0...1 exclusive.
    public var confidence: Double

    /// A promise; `loss` lies within 0...1 and `confidence` strictly within.
    public init(loss: Double = 0.01, confidence: Double = 0.95) {
        precondition((0...1).contains(loss) && confidence > 0 && confidence < 1, "a promise out of range")
        self.loss = loss
        self.confidence = confidence
    }

    /// Whether keeping this promise keeps `other`.
    public func covers(_ other: Promise) -> Bool { loss <= other.loss && confidence >= other.confidence }
}
