import Glibc

/// Tests "the mean loss is above the promise" on the rows of a ``TradeSweep``, for one number of moved rows after
/// another.
///
/// The p-value is that of the betting bound of Waudby-Smith and Ramdas (arXiv 2010.15110), here for losses in -1...1:
/// a gambler who bets on small losses has, after each row, at most the capital that she began with, in expectation,
/// if the promise is broken. By Ville's inequality the chance that her capital ever reaches 1/p is then at most p. It
/// holds for every sample size and every distribution of the loss. Rows come in one fixed shuffled order, because
/// the bound needs rows that do not depend on those before them, and files are sorted by task.
struct LossTest {
    private let promise: Promise
    /// Loss per row in the shuffled order, for the present number of moved rows.
    private var losses: [Double]
    /// Place in `losses` of each row that can move, in the order in which they move.
    private let places: [Int]
    private let sweep: TradeSweep
    private var movedCount = 0
    private var last: Double?

    init(_ sweep: TradeSweep, _ promise: Promise) {
        self.sweep = sweep
        self.promise = promise
        var places = Array(0..<sweep.count)
        var random = SeededRandom(seed: 0x524F_5554_4552)
        places.shuffle(using: &random)
        losses = [Double](repeating: 0, count: sweep.count)
        for (row, loss) in sweep.baseLosses.enumerated() { losses[places[row]] = loss }
        self.places = sweep.rows.map { places[$0.index] }
    }

    /// The p-value when the first `movedCount` rows move; must not be below that of the call before.
    mutating func pValue(movedCount target: Int) -> Double {
        precondition(target >= movedCount, "the sequence of tests moves more rows at each step")
        if target == movedCount, let last { return last }
        for row in movedCount..<target { losses[places[row]] += sweep.rows[row].loss }
        movedCount = target
        let pValue = LossTest.bettingPValue(losses, promise)
        last = pValue
        return pValue
    }

    /// The share of her capital that the gambler risks in one row at most: all of it would end the game.
    private static let mostRisked = 0.9
    /// Before any row is seen, the variance is taken for this, with the weight of so many rows. Any values are valid.
    private static let prior = (variance: 0.05, weight: 4.0)

    /// The p-value of "the mean of `losses`, each in -1...1, is above `promise.loss`".
    static func bettingPValue(_ losses: [Double], _ promise: Promise) -> Double {
        let mostBet = mostRisked / max(1e-9, 1 - promise.loss)
        let aim = 2 * -log(1 - promise.confidence) / Double(max(1, losses.count))
        var (capital, best) = (1.0, 1.0)
        var (sum, squares, seen) = (0.0, prior.variance * prior.weight, 0.0)
        for loss in losses {
            // The bet is fixed before the row is looked at.
            let variance = max(1e-12, squares / (prior.weight + seen))
            capital *= 1 + min(mostBet, (aim / variance).squareRoot()) * (promise.loss - loss)
            best = max(best, capital)
            let before = seen > 0 ? sum / seen : 0
            sum += loss
            seen += 1
            squares += (loss - before) * (loss - sum / seen)
        }
        return min(1, 1 / best)
    }

    /// Whether so many rows without any loss would pass.
    static func passesWithoutLoss(rowCount: Int, _ promise: Promise) -> Bool {
        bettingPValue([Double](repeating: 0, count: rowCount), promise) <= 1 - promise.confidence
    }

    /// How many rows without any loss pass when the bet is at its bound throughout; at most a billion.
    static func rowCountWithoutLoss(_ promise: Promise) -> Int {
        let growth = log1p(mostRisked / max(1e-9, 1 - promise.loss) * promise.loss)
        guard growth > 0 else { return 1_000_000_000 }
        return Int(min(1e9, (-log(1 - promise.confidence) / growth).rounded(.up)))
    }

    /// The p-value of the same by the bound of Hoeffding and Bentkus (Bates et al. 2021, arXiv 2101.02703, theorem 2),
    /// for comparison: it does not use the variance and needs many more rows.
    static func hoeffdingBentkusPValue(_ losses: [Double], _ promise: Promise) -> Double {
        let n = Double(losses.count)
        guard n > 0 else { return 1 }
        // Losses in -1...1 as values in 0...1.
        let allowed = (1 + promise.loss) / 2
        let mean = losses.reduce(0) { $0 + (1 + $1) / 2 } / n
        guard mean < allowed else { return 1 }
        let divergence =
            (mean > 0 ? mean * log(mean / allowed) : 0)
            + (mean < 1 ? (1 - mean) * log((1 - mean) / (1 - allowed)) : 0)
        let hoeffding = exp(-n * divergence)
        return min(1, hoeffding, exp(1) * binomialCDF(Int((n * mean).rounded(.up)), losses.count, allowed))
    }

    /// The chance of at most `k` successes in `n` trials of chance `p`, 0 < p < 1.
    static func binomialCDF(_ k: Int, _ n: Int, _ p: Double) -> Double {
        if k >= n { return 1 }
        var term = Double(n) * log(1 - p)
        var total = exp(term)
        for i in 0..<max(0, k) {
            term += log(Double(n - i)) - log(Double(i + 1)) + log(p) - log(1 - p)
            total += exp(term)
        }
        return min(1, total)
    }
}
