import RouterKit

/// Asking one or two cheaper models first, on MMLU-Pro, where every model's answer is known: when their answers agree
/// the better one's is taken, else the strong model is asked too. Every call is paid for.
///
/// A gate in front: where the router predicts that the strong model gains less than a threshold over the middle one,
/// the middle one alone answers.
struct CascadeCheck {
    /// As tables and legends name it.
    let name: String
    let curve: [CascadeEvaluation.Point]
    /// Everything goes through the models asked first.
    let ungated: MixFigures?
    /// The greatest saving without loss, its gate chosen on these very rows.
    let bestWithoutLoss: MixFigures?
    /// The same with the gate chosen on one half and applied to the other, both ways.
    let crossFitted: MixFigures?

    /// A cascade that asks `second` and the pool's middle model; `nil` without answers or prices.
    init?(_ name: String, second: String, _ data: Outcomes, _ predictions: Predictions) {
        guard let pool = data.tiers["mmlu_pro"], let price = data.tiers.prices[second], pool.members.count == 3 else {
            return nil
        }
        let other = OutcomePool.Member(name: second, tier: .cheap, price: price)
        let evaluate = { (rows: [OutcomeRow]) in
            CascadeEvaluation(
                rows: rows, answers: data.answers, ask: [other, pool.members[1]], best: pool.members[1],
                top: pool.strongest
            ) { row in
                predictions.values[row.id].map { $0.quality[2] - $0.quality[1] } ?? .infinity
            }
        }
        let rows = data.dev(of: "mmlu_pro")
        let whole = evaluate(rows)
        guard whole.count > 0 else { return nil }
        let figures = { (outcomes: [(id: String, row: MixFigures.Row)]) in
            MixFigures([outcomes.map(\.row)], mix: .natural)
        }
        self.name = name
        curve = whole.curve()
        ungated = figures(whole.outcomes(gate: -.infinity))
        bestWithoutLoss = whole.best(allowedLoss: 0).flatMap { figures(whole.outcomes(gate: $0.gate)) }
        let (left, right) = (evaluate(halves(rows).0), evaluate(halves(rows).1))
        if let ofLeft = left.best(allowedLoss: 0)?.gate, let ofRight = right.best(allowedLoss: 0)?.gate {
            crossFitted = figures(left.outcomes(gate: ofRight) + right.outcomes(gate: ofLeft))
        } else {
            crossFitted = nil
        }
    }
}
