import RouterKit

/// What choices among three tiers at real prices do, on the mixes and on the MMLU-Pro pool alone.
struct ThreeTiers {
    let name: String
    let natural: MixFigures?
    let equal: MixFigures?
    let mmluPro: MixFigures?
    /// Per source.
    let sources: [(name: String, figures: MixFigures?)]

    /// Figures of judged rows.
    init(_ name: String, _ rows: [JudgedRow]) {
        self.name = name
        let groups = Outcomes.tiered.map { source in rows.filter { $0.source == source }.compactMap(\.mixRow) }
        natural = MixFigures(groups, mix: .natural)
        equal = MixFigures(groups, mix: .equal)
        sources = zip(Outcomes.tiered, groups).map { ($0, MixFigures([$1], mix: .natural)) }
        mmluPro = sources.first { $0.name == "mmlu_pro" }?.figures
    }

    /// Thresholds from all dev rows, applied to the same rows: as good as a calibration looks to who makes it.
    static func calibratedOnDev(_ predictions: Predictions, _ data: Outcomes) -> ThreeTiers {
        ThreeTiers(
            predictions.name,
            Outcomes.tiered.flatMap { source -> [JudgedRow] in
                let rows = data.dev(of: source)
                return judged(predictions, rows, from: rows, data.tiers[source]!)
            })
    }

    /// Thresholds from one half of dev applied to the other, both ways: what a calibration is worth on new rows.
    static func crossFitted(_ predictions: Predictions, _ data: Outcomes) -> ThreeTiers {
        ThreeTiers(
            predictions.name,
            Outcomes.tiered.flatMap { source -> [JudgedRow] in
                let (first, second) = halves(data.dev(of: source))
                let pool = data.tiers[source]!
                return judged(predictions, first, from: second, pool) + judged(predictions, second, from: first, pool)
            })
    }

    private static func judged(
        _ predictions: Predictions, _ rows: [OutcomeRow], from calibration: [OutcomeRow], _ pool: OutcomePool
    ) -> [JudgedRow] {
        guard let set = predictions.calibrationSet(calibration, pool) else { return [] }
        return predictions.judged(rows, pool, by: Calibrator.calibrate(set))
    }
}
