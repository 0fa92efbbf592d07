/// Outcomes of one pool beside the predictions that a router would have chosen by: what calibration works on.
///
/// The predictions must not come from a classifier that was trained on these very rows: use rows kept out of
/// training, or predictions of cross-validation.
public struct CalibrationSet: Sendable {
    /// The models, weakest tier first.
    public let models: [PolicyTable.Model]
    /// Position in `models` of the model that always-strong asks: the cheapest of the strongest tier.
    public let strongest: Int
    /// Rows.
    public private(set) var count = 0
    /// Rows left out, because a score of some model of the pool is missing.
    public private(set) var skippedCount = 0

    /// Per row and model, row by row.
    private(set) var quality: [Double] = []
    private(set) var score: [Double] = []
    /// What the policy will estimate, in USD.
    private(set) var estimate_usd: [Double] = []
    /// What the call really cost, in USD.
    private(set) var cost_usd: [Double] = []
    /// Per row.
    private(set) var support: [Double] = []

    /// An empty set over `models`, which must be at least two.
    init(models: [PolicyTable.Model]) {
        precondition(models.count >= 2, "there is nothing to choose in a pool of one")
        self.models = models
        let tier = models.reduce(CapabilityTier.cheap) { max($0, $1.tier) }
        let reference = { (model: PolicyTable.Model) in
            model.price.cost_usd(inputTokens: 1_000, outputTokens: model.outputTokens)
        }
        strongest = models.indices.filter { models[$0].tier == tier }
            .min { reference(models[$0]) < reference(models[$1]) }!
    }

    /// The rows of `pool`, each judged by `assess`, which also says how many input tokens the policy would count.
    ///
    /// Rows that lack a score of some member are counted and left out. `nil` when a price is unknown: what something
    /// saves can then not be said.
    public init?(
        pool: OutcomePool, rows: [OutcomeRow], assess: (OutcomeRow) -> (assessment: Assessment, inputTokens: Int)
    ) {
        let cards = pool.cards
        var models: [PolicyTable.Model] = []
        for member in pool.members {
            guard let price = member.price else { return nil }
            let tokens = rows.compactMap { $0.outputTokens[member.name] }
            let mean = tokens.isEmpty ? OutcomeRow.usualOutputTokens : tokens.reduce(0, +) / tokens.count
            models.append(PolicyTable.Model(name: member.name, tier: member.tier, price: price, outputTokens: mean))
        }
        self.init(models: models)
        for row in rows {
            guard pool.covers(row) else {
                skippedCount += 1
                continue
            }
            let (assessment, inputTokens) = assess(row)
            for (index, member) in pool.members.enumerated() {
                quality.append(assessment.quality(of: cards[index]))
                score.append(row.scores[member.name]!)
                estimate_usd.append(
                    models[index].price.cost_usd(inputTokens: inputTokens, outputTokens: models[index].outputTokens))
                cost_usd.append(row.cost_usd(of: member)!)
            }
            support.append(assessment.support)
            count += 1
        }
    }

    /// The rows of `pool`, judged by `classifier` bound to it.
    public init?(pool: OutcomePool, rows: [OutcomeRow], classifier: any ComplexityClassifier) {
        let classifier = classifier.bound(to: pool.cards)
        self.init(pool: pool, rows: rows) { row in
            guard let request = try? RequestView(asking: String(decoding: row.prompt, as: UTF8.self)) else {
                return (.unknown("unreadable"), (row.prompt.count + 3) / 4)
            }
            return (classifier.assess(request), request.estimatedInputTokens)
        }
    }

    /// Adds a row by hand, for simulations: one value per model each.
    mutating func append(
        quality: [Double], score: [Double], estimate_usd: [Double], cost_usd: [Double], support: Double
    ) {
        precondition(
            [quality.count, score.count, estimate_usd.count, cost_usd.count].allSatisfy { $0 == models.count },
            "one value per model")
        self.quality += quality
        self.score += score
        self.estimate_usd += estimate_usd
        self.cost_usd += cost_usd
        self.support.append(support)
        count += 1
    }

    /// The rows at `indices`, which may repeat.
    public func selecting(_ indices: some Sequence<Int>) -> CalibrationSet {
        var part = CalibrationSet(models: models)
        for index in indices {
            let values = index * models.count..<(index + 1) * models.count
            part.quality += quality[values]
            part.score += score[values]
            part.estimate_usd += estimate_usd[values]
            part.cost_usd += cost_usd[values]
            part.support.append(support[index])
            part.count += 1
        }
        return part
    }

    /// What a trade does to these rows.
    public func effect(of trade: Trade, supportThreshold: Double) -> Effect {
        let sweep = TradeSweep(self, costWeight_perUSD: trade.costWeight_perUSD, supportThreshold: supportThreshold)
        return sweep.effect(movedCount: sweep.movedCount(margin: trade.margin))
    }

    /// Loss and saving against always asking the strongest model.
    public struct Effect: Sendable, Hashable {
        /// Mean score lost, -1...1; below 0 when the choice scores better than always-strong.
        public var loss: Double
        /// Share of always-strong's cost that is saved; below 0 when it costs more.
        public var saved: Double
        /// Share of rows that a model of a weaker tier answers, 0...1.
        public var moved: Double
    }
}
