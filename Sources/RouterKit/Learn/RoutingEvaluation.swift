public import Wire

/// How well a router's predictions and choices did on measured outcomes, by source and over all.
public struct RoutingEvaluation: Sendable {
    /// One source.
    public struct Source: Sendable {
        /// Its name.
        public let name: String
        /// Names of the pool's models, weakest tier first.
        public let models: [String]
        /// Its rows.
        public let rows: [JudgedRow]
        /// APGR of the pair cheapest tier and strongest; `nil` where the strong model is not better.
        public let apgr: Double?
        /// 95 % bootstrap interval of ``apgr``.
        public let apgrInterval: ClosedRange<Double>?
        /// Share of calls to the strong model that recovers 50 % of the gap, CPT(50).
        public let cpt50: Double?
        /// The same for 80 %.
        public let cpt80: Double?
        /// Cost and score as the price of money varies; `nil` when a price is unknown.
        public let curve: CostCurve?
        /// The same for a router that knows the outcomes.
        public let oracle: CostCurve?
        /// What the policy's choices did; `nil` when a price is unknown.
        public let choices: MixFigures?

        init(_ pool: OutcomePool, _ rows: [JudgedRow]) {
            name = pool.source
            models = pool.members.map(\.name)
            self.rows = rows
            let gains = rows.map(\.predictedGain)
            let cheap = rows.map { $0.scores[0] }
            let strong = rows.map { $0.scores[$0.scores.count - 1] }
            let gainCurve = GainCurve(predictedGain: gains, cheap: cheap, strong: strong)
            apgr = gainCurve?.apgr
            cpt50 = gainCurve?.callShare(recovering: 0.5)
            cpt80 = gainCurve?.callShare(recovering: 0.8)
            apgrInterval =
                gainCurve == nil
                ? nil : GainCurve.apgrInterval(predictedGain: gains, cheap: cheap, strong: strong)
            curve = CostCurve(rows)
            oracle = CostCurve(oracleOf: rows)
            let mixRows = rows.compactMap(\.mixRow)
            choices = mixRows.count == rows.count ? MixFigures([mixRows], mix: .natural) : nil
        }

        /// Mean cost and score of always asking the model at `position`; `nil` when its price is unknown.
        public func always(_ position: Int) -> CostCurve.Point? { CostCurve.always(position, rows) }

        /// Share of rows for which the model at `position` was chosen.
        public func share(of position: Int) -> Double {
            Double(rows.count { $0.choice == position }) / Double(max(1, rows.count))
        }
    }

    /// Sources that have rows, in the order of the table.
    public let sources: [Source]

    /// Evaluates `rows` over the pools of `tiers`; rows of other sources are left out.
    public init(_ rows: [JudgedRow], tiers: TierTable) {
        let groups = Dictionary(grouping: rows, by: \.source)
        sources = tiers.pools.compactMap { pool in groups[pool.source].map { Source(pool, $0) } }
    }

    /// Reads, routes and judges all rows of `path`.
    public static func evaluate(
        path: String, router: OutcomeRouter, tiers: TierTable, limits: Limits = .standard
    ) throws(LearnFileError) -> (evaluation: RoutingEvaluation, report: OutcomeReport) {
        var reader = try OutcomeReader(path: path, tiers: tiers, limits: limits)
        var judged: [JudgedRow] = []
        while let row = try reader.next() {
            if let row = router.judge(row) { judged.append(row) }
        }
        return (RoutingEvaluation(judged, tiers: tiers), reader.report)
    }

    /// Mean APGR over the sources of `names` that have one, or over all; `nil` when none has.
    public func macroAPGR(of names: Set<String>? = nil) -> Double? {
        let values = sources.filter { names?.contains($0.name) ?? true }.compactMap(\.apgr)
        return values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    }

    /// What the policy's choices did over the sources of `names`, or over all whose prices are known.
    public func choices(_ mix: MixFigures.Mix, of names: Set<String>? = nil) -> MixFigures? {
        let chosen = sources.filter { names?.contains($0.name) ?? true }
        return MixFigures(chosen.filter { $0.choices != nil }.map { $0.rows.compactMap(\.mixRow) }, mix: mix)
    }
}
