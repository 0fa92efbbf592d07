/// All margins of one cost weight at once: rows sorted by the margin at which they move to a weaker model.
///
/// For a fixed cost weight the choices of all margins are nested: a row that moves at one margin has moved at every
/// smaller one. So one sort gives loss and saving of every margin, and a family to test in sequence.
struct TradeSweep {
    /// A row that some margin moves.
    struct Row {
        /// The row's number in the set.
        let index: Int
        /// The row moves when the margin is below this.
        let margin: Double
        /// Score lost by moving, -1...1.
        let loss: Double
        /// USD saved by moving.
        let saved_usd: Double
    }

    /// Greatest margin first.
    let rows: [Row]
    /// All rows, those without support included.
    let count: Int
    /// USD of always-strong over all rows.
    let strong_usd: Double
    /// Score lost per row before any row moves: not zero where the strongest tier has more than one model.
    let baseLosses: [Double]
    private let base: (loss: Double, saved_usd: Double)

    init(_ set: CalibrationSet, costWeight_perUSD: Double, supportThreshold: Double) {
        let width = set.models.count
        let tier = set.models[set.strongest].tier
        var rows: [Row] = []
        rows.reserveCapacity(set.count)
        var strong_usd = 0.0
        var base = (loss: 0.0, saved_usd: 0.0)
        var baseLosses = [Double](repeating: 0, count: set.count)
        for row in 0..<set.count {
            let first = row * width
            strong_usd += set.cost_usd[first + set.strongest]
            guard set.support[row] >= supportThreshold else { continue }
            var best: (top: Int, topScore: Double, weaker: Int?, weakerScore: Double) = (
                -1, -.infinity, nil, -.infinity
            )
            for model in 0..<width {
                let score = set.quality[first + model] - costWeight_perUSD * set.estimate_usd[first + model]
                // Equal scores go to the cheaper model, as in `Ranking`.
                let estimate = set.estimate_usd[first + model]
                if set.models[model].tier == tier {
                    if score > best.topScore
                        || score == best.topScore && estimate < set.estimate_usd[first + best.top]
                    {
                        (best.top, best.topScore) = (model, score)
                    }
                } else if score > best.weakerScore
                    || score == best.weakerScore && best.weaker.map({ estimate < set.estimate_usd[first + $0] }) == true
                {
                    (best.weaker, best.weakerScore) = (model, score)
                }
            }
            let top = first + best.top
            baseLosses[row] = set.score[first + set.strongest] - set.score[top]
            base.loss += baseLosses[row]
            base.saved_usd += set.cost_usd[first + set.strongest] - set.cost_usd[top]
            guard let weaker = best.weaker else { continue }
            rows.append(
                Row(
                    index: row, margin: best.weakerScore - best.topScore,
                    loss: set.score[top] - set.score[first + weaker],
                    saved_usd: set.cost_usd[top] - set.cost_usd[first + weaker]))
        }
        rows.sort { $0.margin > $1.margin }
        self.rows = rows
        self.base = base
        self.baseLosses = baseLosses
        self.strong_usd = strong_usd
        count = set.count
    }

    /// How many rows a margin moves.
    func movedCount(margin: Double) -> Int {
        var (low, high) = (0, rows.count)
        while low < high {
            let middle = (low + high) / 2
            if rows[middle].margin > margin { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// What moving the first `movedCount` rows does.
    func effect(movedCount: Int) -> CalibrationSet.Effect {
        var loss = base.loss
        var saved_usd = base.saved_usd
        for row in rows[..<movedCount] {
            loss += row.loss
            saved_usd += row.saved_usd
        }
        return CalibrationSet.Effect(
            loss: loss / Double(max(1, count)), saved: strong_usd > 0 ? saved_usd / strong_usd : 0,
            moved: Double(movedCount) / Double(max(1, count)))
    }

    /// Of all margins that keep `allowedLoss` by the shrunk estimate, the one that saves most.
    ///
    /// The estimate is the mean loss of `count` rows and of `priorRowCount` imagined ones, on which the predictions
    /// are worth nothing: a moved row then loses what moving any row loses on average. Few rows are so taken for a
    /// poor router, many for what they are.
    func best(allowedLoss: Double, priorRowCount: Double) -> (margin: Double, effect: CalibrationSet.Effect)? {
        let gap = max(0, rows.reduce(0) { $0 + $1.loss } / Double(max(1, rows.count)))
        var loss = base.loss
        var saved_usd = base.saved_usd
        var best: (index: Int, loss: Double, saved_usd: Double)?
        for (index, row) in rows.enumerated() {
            loss += row.loss
            saved_usd += row.saved_usd
            // A margin lies between two rows; equal rows move together.
            if index + 1 < rows.count, rows[index + 1].margin == row.margin { continue }
            let prior = gap * Double(index + 1) / Double(count)
            let shrunk = (loss + priorRowCount * prior) / (Double(count) + priorRowCount)
            if shrunk <= allowedLoss, saved_usd > best?.saved_usd ?? 0 { best = (index, shrunk, saved_usd) }
        }
        guard let best, strong_usd > 0 else { return nil }
        let next = best.index + 1 < rows.count ? rows[best.index + 1].margin : rows[best.index].margin - 0.002
        let margin = min(2, max(-2, (rows[best.index].margin + next) / 2))
        return (
            margin,
            CalibrationSet.Effect(
                loss: best.loss, saved: best.saved_usd / strong_usd, moved: Double(best.index + 1) / Double(count))
        )
    }
}
