import RouterKit

/// Asking one or two cheaper models first, on MMLU-Pro, where every model's answer is known: when their answers agree
/// the cheaper one's is taken, else the strong model is asked too. Every call is paid for.
///
/// A gate in front: where the router predicts that the strong model gains less than a threshold over the middle one,
/// the middle one alone answers.
struct Cascade {
    static let middle = "gemini-1.5-flash-002"
    static let strong = "gemini-1.5-pro-002"

    /// One row with all that a cascade needs.
    private struct Row {
        let id: String
        let gain: Double
        let agrees: Bool
        let middle: (score: Double, cost_usd: Double)
        let second_usd: Double
        let strong: (score: Double, cost_usd: Double)
    }

    /// A point of the curve: rows gated below `threshold` of predicted gain.
    struct Point {
        let threshold: Double
        let figures: MixFigures
    }

    let second: String
    private let rows: [Row]

    /// A cascade that asks `second` and the middle model; `nil` without answers or prices.
    init?(second: String, _ data: Outcomes, _ predictions: Predictions) {
        guard let pool = data.tiers["mmlu_pro"], let price = data.tiers.prices[second],
            let middle = pool.members.first(where: { $0.name == Self.middle }), pool.strongest.name == Self.strong
        else { return nil }
        let other = OutcomePool.Member(name: second, tier: .cheap, price: price)
        rows = data.dev(of: "mmlu_pro").compactMap { row -> Row? in
            guard let answers = data.answers[row.id], let quality = predictions.values[row.id]?.quality,
                let middleCost = row.cost_usd(of: middle), let strongCost = row.cost_usd(of: pool.strongest),
                let secondCost = row.cost_usd(of: other)
            else { return nil }
            return Row(
                id: row.id, gain: quality[2] - quality[1],
                agrees: answers[Self.middle] != nil && answers[Self.middle] == answers[second],
                middle: (row.scores[Self.middle]!, middleCost), second_usd: secondCost,
                strong: (row.scores[Self.strong]!, strongCost))
        }
        guard !rows.isEmpty else { return nil }
        self.second = second
    }

    /// The cascade without a gate: everything goes through both models.
    var ungated: MixFigures? { figures(rows, threshold: -.infinity) }

    /// Thresholds by quantiles of the predicted gain, from no row gated to all.
    private func thresholds(_ rows: [Row]) -> [Double] {
        let sorted = rows.map(\.gain).sorted()
        return [-Double.infinity] + (0...50).map { sorted[min(sorted.count - 1, $0 * sorted.count / 50)] }
    }

    var curve: [Point] {
        thresholds(rows).compactMap { threshold in
            figures(rows, threshold: threshold, resamples: 200).map { Point(threshold: threshold, figures: $0) }
        }
    }

    /// The greatest saving without loss, its threshold chosen on these very rows.
    var bestWithoutLoss: MixFigures? { best(rows).flatMap { figures(rows, threshold: $0) } }

    /// The same with the threshold chosen on one half and applied to the other, both ways.
    var crossFitted: MixFigures? {
        let isFirst = { (row: Row) in row.id.utf8.reduce(UInt32(7)) { $0 &* 31 &+ UInt32($1) } & 1 == 0 }
        let (first, second) = (rows.filter(isFirst), rows.filter { !isFirst($0) })
        guard let forSecond = best(first), let forFirst = best(second) else { return nil }
        return MixFigures(
            [first.map { Self.outcome($0, forFirst) } + second.map { Self.outcome($0, forSecond) }], mix: .natural)
    }

    private func best(_ rows: [Row]) -> Double? {
        thresholds(rows).compactMap { threshold -> (Double, Double)? in
            let figures = figures(rows, threshold: threshold, resamples: 1)
            return figures.flatMap { $0.difference >= 0 ? (threshold, $0.saved) : nil }
        }.max { $0.1 < $1.1 }?.0
    }

    private func figures(_ rows: [Row], threshold: Double, resamples: Int = 2_000) -> MixFigures? {
        MixFigures([rows.map { Self.outcome($0, threshold) }], mix: .natural, resamples: resamples)
    }

    private static func outcome(_ row: Row, _ threshold: Double) -> MixFigures.Row {
        if row.gain < threshold {
            return MixFigures.Row(
                difference: row.middle.score - row.strong.score, cost_usd: row.middle.cost_usd,
                strong_usd: row.strong.cost_usd)
        }
        let asked = row.middle.cost_usd + row.second_usd
        return MixFigures.Row(
            difference: row.agrees ? row.middle.score - row.strong.score : 0,
            cost_usd: row.agrees ? asked : asked + row.strong.cost_usd, strong_usd: row.strong.cost_usd)
    }
}
