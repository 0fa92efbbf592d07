/// How often a promise was kept when calibration was repeated on random parts of one set of rows.
///
/// The whole set stands for the traffic, so that the true loss of every trade is known exactly: that is what the
/// promise speaks of. The rows that a part leaves out are counted beside it. They are harder to please than new traffic:
/// a part that was lucky leaves the bad luck behind, the more so the larger it is.
public struct GuaranteeTrial: Sendable, Hashable {
    /// Calibrations.
    public private(set) var runCount = 0
    /// Those whose trade loses no more than promised over the whole set; those without a trade lose nothing.
    public private(set) var heldCount = 0
    /// The same, measured on the rows left out.
    public private(set) var heldOnRestCount = 0
    /// Those that found a trade.
    public private(set) var tradeCount = 0
    /// Greatest loss over the whole set, of all calibrations.
    public private(set) var worstLoss = 0.0
    /// Mean share of always-strong's cost saved over the whole set, calibrations without a trade included.
    public private(set) var meanSaved = 0.0

    /// Calibrates `runCount` times on `rowCount` random rows of `set`, of which there must be more.
    public init(
        _ promise: Promise, on set: CalibrationSet, rowCount: Int, runCount: Int = 200, supportThreshold: Double,
        seed: UInt64 = 1
    ) {
        precondition(rowCount > 0 && rowCount < set.count && runCount > 0, "some rows must be left to judge by")
        var random = SeededRandom(seed: seed)
        var order = Array(0..<set.count)
        for _ in 0..<runCount {
            order.shuffle(using: &random)
            let found = Calibrator.guarantee(
                promise, on: set.selecting(order[..<rowCount]), supportThreshold: supportThreshold)
            self.runCount += 1
            guard let trade = found.trade else {
                heldCount += 1
                heldOnRestCount += 1
                continue
            }
            tradeCount += 1
            let rest = set.selecting(order[rowCount...]).effect(of: trade, supportThreshold: supportThreshold)
            if rest.loss <= promise.loss { heldOnRestCount += 1 }
            let truth = set.effect(of: trade, supportThreshold: supportThreshold)
            if truth.loss <= promise.loss { heldCount += 1 }
            worstLoss = max(worstLoss, truth.loss)
            meanSaved += truth.saved / Double(runCount)
        }
    }
}
