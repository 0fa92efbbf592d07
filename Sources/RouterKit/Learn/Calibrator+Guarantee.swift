extension Calibrator {
    /// The trade that keeps `promise`, if the rows prove one.
    ///
    /// Learn-then-Test (Angelopoulos, Bates, Candes, Jordan, Lei 2021, arXiv 2110.01052) with fixed-sequence testing:
    /// the cost weight is fixed by the prices alone, the margin falls from "nothing moves" in steps that are fixed too,
    /// and each step must reject "the mean loss is above the promise" at level 1 - confidence; the last step before
    /// the first that does not is the answer. Since every step is tested on all rows at the full level, and the first
    /// failure ends the sequence, the chance that the answer breaks the promise is at most 1 - confidence, for
    /// independent rows of the traffic that is served and whatever their distribution.
    ///
    /// The p-values are those of the betting bound in ``LossTest``.
    public static func guarantee(
        _ promise: Promise, on set: CalibrationSet, supportThreshold: Double
    ) -> PolicyTable.Guarantee {
        let needed = neededRowCount(promise)
        var found = PolicyTable.Guarantee(
            promise: promise, trade: nil, rowCount: set.count, neededRowCount: needed, pValue: 1, saved: 0)
        let unit = referenceCost_usd(set.models[set.strongest])
        guard set.count >= needed, unit > 0 else { return found }
        let weight = guaranteeCostShare / unit
        let sweep = TradeSweep(set, costWeight_perUSD: weight, supportThreshold: supportThreshold)
        var test = LossTest(sweep, promise)
        for step in 0...guaranteeSteps {
            let margin = 1 - Double(step) * guaranteeStep
            let moved = sweep.movedCount(margin: margin)
            let pValue = test.pValue(movedCount: moved)
            guard pValue <= 1 - promise.confidence else { break }
            guard moved > 0 else { continue }
            found.trade = Trade(costWeight_perUSD: weight, margin: margin)
            found.pValue = pValue
        }
        if let trade = found.trade {
            found.saved = sweep.effect(movedCount: sweep.movedCount(margin: trade.margin)).saved
            // A trade that saves nothing is no reason to leave the strongest model.
            if found.saved <= 0 { (found.trade, found.pValue) = (nil, 1) }
        }
        return found
    }

    /// Predicted success that always-strong's whole cost of a request is worth in a promise's trade.
    private static let guaranteeCostShare = 0.125
    private static let guaranteeStep = 0.005
    private static let guaranteeSteps = 400

    /// Labelled prompts below which no test can pass: with fewer, even a calibration without a single loss proves
    /// nothing. Exact up to a million, beyond that the bound's own formula; at most a billion.
    public static func neededRowCount(_ promise: Promise) -> Int {
        // A test on rows without loss passes earlier the more rows there are.
        var (low, high) = (1, 1)
        while !LossTest.passesWithoutLoss(rowCount: high, promise) {
            guard high < 1 << 20 else { return LossTest.rowCountWithoutLoss(promise) }
            (low, high) = (high + 1, high * 2)
        }
        while low < high {
            let middle = (low + high) / 2
            if LossTest.passesWithoutLoss(rowCount: middle, promise) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
