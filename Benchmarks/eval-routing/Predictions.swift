import RouterKit

/// What some router predicts for rows, by row id: predicted success per model of the row's pool, and support.
struct Predictions {
    let name: String
    private(set) var values: [String: (quality: [Double], support: Double)] = [:]

    init(name: String) { self.name = name }

    /// What `classifier` predicts for `rows`.
    init(name: String, of classifier: any ComplexityClassifier, for rows: [OutcomeRow], _ tiers: TierTable) {
        self.name = name
        let router = OutcomeRouter(tiers: tiers, classifier: classifier, policy: TradePolicy())
        for row in rows {
            let routed = router.route(row.prompt, source: row.source)
            values[row.id] = (routed.predicted, routed.assessment.support)
        }
    }

    mutating func set(_ id: String, quality: [Double], support: Double = 1) {
        values[id] = (quality, support)
    }

    /// APGR of the pair cheapest and strongest on `rows`, with its 95 % interval.
    func apgr(_ rows: [OutcomeRow], _ pool: OutcomePool) -> (value: Double, interval: ClosedRange<Double>?)? {
        let rows = rows.filter { values[$0.id] != nil }
        let gains = rows.map { row in
            let quality = values[row.id]!.quality
            return quality[quality.count - 1] - quality[0]
        }
        let cheap = rows.map { $0.scores[pool.members[0].name]! }
        let strong = rows.map { $0.scores[pool.strongest.name]! }
        guard let curve = GainCurve(predictedGain: gains, cheap: cheap, strong: strong) else { return nil }
        return (curve.apgr, GainCurve.apgrInterval(predictedGain: gains, cheap: cheap, strong: strong))
    }

    /// `rows` as calibration takes them.
    func calibrationSet(_ rows: [OutcomeRow], _ pool: OutcomePool) -> CalibrationSet? {
        let names = ModelPredictions.Names(pool.members.map(\.name))
        return CalibrationSet(pool: pool, rows: rows) { row in
            guard let known = values[row.id] else { return (.unknown("unread"), Self.inputTokens(row)) }
            var models = ModelPredictions(names: names)
            for (index, quality) in known.quality.enumerated() { models.set(index, Float(quality)) }
            let assessment = Assessment(
                difficulty: 0.5, quality: QualityCurve(cheap: 0, mid: 0, strong: 0), models: models,
                support: known.support, signals: [])
            return (assessment, Self.inputTokens(row))
        }
    }

    /// A policy calibrated on `rows`.
    func table(
        _ pools: [OutcomePool], _ rows: [OutcomeRow], classifierVersion: String, promises: [Promise] = [Promise()]
    ) -> PolicyTable {
        var entries: [PolicyTable.Pool] = []
        for (pool, own) in Calibrator.entries(of: pools, rows) {
            guard let set = calibrationSet(own, pool) else { continue }
            entries.append(Calibrator.calibrate(set, options: Calibrator.Options(promises: promises)))
        }
        return PolicyTable(classifierVersion: classifierVersion, pools: entries)
    }

    /// `rows` beside what `entry` makes the policy choose.
    func judged(_ rows: [OutcomeRow], _ pool: OutcomePool, by entry: PolicyTable.Pool) -> [JudgedRow] {
        rows.map { row in
            let known = values[row.id] ?? ([Double](repeating: 0, count: pool.members.count), 0)
            let expected_usd = pool.members.map { member in
                member.price!.cost_usd(
                    inputTokens: Self.inputTokens(row), outputTokens: entry.model(named: member.name)!.outputTokens)
            }
            return JudgedRow(
                source: row.source, predicted: known.quality, expected_usd: expected_usd,
                scores: pool.members.map { row.scores[$0.name]! },
                costs_usd: pool.members.map { row.cost_usd(of: $0) },
                choice: Self.choice(known.quality, expected_usd, support: known.support, entry), support: known.support)
        }
    }

    private static func choice(
        _ quality: [Double], _ expected_usd: [Double], support: Double, _ entry: PolicyTable.Pool
    ) -> Int {
        let last = quality.count - 1
        guard support >= entry.supportThreshold, let trade = entry.modes[.balanced]?.trade else { return last }
        let scores = quality.indices.map {
            trade.score(quality: quality[$0], cost_usd: expected_usd[$0], isStrongest: $0 == last)
        }
        return scores.indices.max { (scores[$0], -expected_usd[$0]) < (scores[$1], -expected_usd[$1]) } ?? last
    }

    /// Tokens that a router counts before the call.
    private static func inputTokens(_ row: OutcomeRow) -> Int { (row.prompt.count + 3) / 4 }
}

/// Halves of a set of rows, by the id and nothing else, so that every run cuts the same way.
func halves(_ rows: [OutcomeRow]) -> ([OutcomeRow], [OutcomeRow]) {
    let isFirst = { (row: OutcomeRow) in
        row.id.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 } >> 16 & 1 == 0
    }
    return (rows.filter(isFirst), rows.filter { !isFirst($0) })
}
