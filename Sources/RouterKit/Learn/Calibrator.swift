/// Chooses the numbers of a ``PolicyTable`` on outcomes that the classifier was not trained on.
///
/// For the modes: of all trades whose estimated loss against always-strong stays within the mode's bound, the one that
/// saves most. The estimate is shrunk toward that of a worthless router (``Options/priorRowCount``), because a
/// threshold chosen on few rows looks better on them than it is. A router that is good is given its due sooner by a test:
/// where Learn-then-Test proves the mode's bound at ``Options/modeConfidence`` for a trade that saves more, that one is taken.
///
/// For promises: Learn-then-Test, see `Calibrator+Guarantee.swift`.
public enum Calibrator {
    /// What to calibrate for.
    public struct Options: Sendable {
        /// Mean score that each mode may lose against always-strong, 0...1. The documented bands of the modes.
        public var allowedLoss: [RoutingMode: Double]
        /// The share of the allowed loss that is aimed at: of many trades the one taken looks better on the rows it was
        /// taken by than it is.
        public var aim: Double
        /// Imagined rows without any skill that are mixed into the estimate of the loss.
        public var priorRowCount: Double
        /// How sure a test must be of a mode's bound for its trade to be preferred to the shrunk estimate's, 0...1 exclusive.
        ///
        /// The mean loss of many calibrations is what a mode bounds, so this is less than a promise's confidence. In
        /// simulated traffic with 100 to 2,000 rows, 0.8 left that mean where the shrunk estimate alone has it, and 0.6
        /// did not.
        public var modeConfidence: Double
        /// Support below this goes to the strongest tier, 0...1.
        public var supportThreshold: Double
        /// Promises to look for trades for.
        public var promises: [Promise]

        /// Options; see the properties.
        public init(
            allowedLoss: [RoutingMode: Double] = [.quality: 0, .balanced: 0.01, .cost: 0.05],
            aim: Double = 0.85, priorRowCount: Double = 200, modeConfidence: Double = 0.8,
            supportThreshold: Double = 0.5,
            promises: [Promise] = [Promise()]
        ) {
            self.allowedLoss = allowedLoss
            self.aim = aim
            self.priorRowCount = priorRowCount
            self.modeConfidence = modeConfidence
            self.supportThreshold = supportThreshold
            self.promises = promises
        }
    }

    /// What a table gets one entry for each: pools of the same models once, as a gateway has them, with the rows of all of
    /// them; pools without rows are left out. In the order of `pools` and of `rows`.
    public static func entries(
        of pools: [OutcomePool], _ rows: [OutcomeRow]
    ) -> [(pool: OutcomePool, rows: [OutcomeRow])] {
        var done: Set<[OutcomePool.Member]> = []
        return pools.filter { done.insert($0.members).inserted }.compactMap { pool in
            let sources = Set(pools.filter { $0.members == pool.members }.map(\.source))
            let own = rows.filter { sources.contains($0.source) }
            return own.isEmpty ? nil : (pool, own)
        }
    }

    /// An entry for the set's pool.
    public static func calibrate(_ set: CalibrationSet, options: Options = Options()) -> PolicyTable.Pool {
        var pool = PolicyTable.Pool(
            models: set.models, supportThreshold: options.supportThreshold, rowCount: set.count, modes: [:])
        let sweeps = costWeights(set).map {
            ($0, TradeSweep(set, costWeight_perUSD: $0, supportThreshold: options.supportThreshold))
        }
        for (mode, allowed) in options.allowedLoss {
            // Nothing moves at the greatest margin: always-strong loses nothing and saves nothing.
            var entry = PolicyTable.Mode(
                trade: Trade(costWeight_perUSD: 0, margin: 2), allowedLoss: allowed, estimatedLoss: 0, saved: 0)
            for (weight, sweep) in sweeps {
                guard let best = sweep.best(allowedLoss: options.aim * allowed, priorRowCount: options.priorRowCount),
                    best.effect.saved > entry.saved
                else { continue }
                entry.trade = Trade(costWeight_perUSD: weight, margin: best.margin)
                entry.estimatedLoss = best.effect.loss
                entry.saved = best.effect.saved
            }
            pool.modes[mode] = proven(entry, on: set, options)
        }
        pool.guarantees = options.promises.map {
            guarantee($0, on: set, supportThreshold: options.supportThreshold)
        }
        return pool
    }

    /// `entry`, or what a test proves for its bound if that saves more.
    private static func proven(
        _ entry: PolicyTable.Mode, on set: CalibrationSet, _ options: Options
    ) -> PolicyTable.Mode {
        // No number of rows proves that nothing is lost.
        guard entry.allowedLoss > 0 else { return entry }
        let found = guarantee(
            Promise(loss: entry.allowedLoss, confidence: options.modeConfidence), on: set,
            supportThreshold: options.supportThreshold)
        guard let trade = found.trade, found.saved > entry.saved else { return entry }
        return PolicyTable.Mode(
            trade: trade, allowedLoss: entry.allowedLoss,
            estimatedLoss: set.effect(of: trade, supportThreshold: options.supportThreshold).loss, saved: found.saved)
    }

    /// Cost weights worth trying, scaled to the pool: from 0 to a predicted success for a hundredth of what always-
    /// strong costs a request.
    private static func costWeights(_ set: CalibrationSet) -> [Double] {
        let unit = referenceCost_usd(set.models[set.strongest])
        guard unit > 0 else { return [0] }
        return [0] + stride(from: -8, through: 4, by: 1).map { 0.5 * pow2(Double($0) / 2) / unit }
    }

    /// What a request of ordinary size costs at the strongest model, in USD: the scale of cost weights. Taken from the
    /// price alone, so that a promise's trade does not depend on the rows that it is tested on.
    static func referenceCost_usd(_ model: PolicyTable.Model) -> Double {
        model.price.cost_usd(inputTokens: 250, outputTokens: 250)
    }

    /// 2 to the power of `exponent`, which is a whole number of halves.
    private static func pow2(_ exponent: Double) -> Double {
        let whole = exponent.rounded(.down)
        let power = Double(sign: .plus, exponent: Int(whole), significand: 1)
        return exponent == whole ? power : power * Double(2).squareRoot()
    }
}
