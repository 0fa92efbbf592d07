import RouterKit

/// What a promise is worth on a source that neither training nor calibration has seen.
struct LeaveOneOut {
    let source: String
    /// Under the promise of losing at most one point.
    let promised: MixFigures
    /// Share of its prompts that a weaker model answered.
    let moved: Double
    /// How well the retrained classifier ranks the unseen source.
    let apgr: Double?

    /// Trains on the other sources' train rows, calibrates on their dev rows, and measures on the dev rows of `source`.
    init?(
        _ source: String, _ data: Outcomes,
        train: ([OutcomeRow], [OutcomePool]) throws -> any ComplexityClassifier
    ) throws {
        let others = Outcomes.shippable.filter { $0 != source }
        let pools = others.compactMap { data.tiers[$0] }
        let classifier = try train(data.train.filter { others.contains($0.source) }, pools)
        let promise = Promise()
        let predictions = Predictions(
            name: "", of: classifier, for: data.dev.filter { others.contains($0.source) }, data.tiers)
        let table = predictions.table(
            pools, data.dev, classifierVersion: classifier.version, promises: [promise])
        let policy = TradePolicy(table: table, promise: promise)
        let router = OutcomeRouter(tiers: data.tiers, classifier: classifier, policy: policy)
        let evaluation = RoutingEvaluation(data.dev(of: source).compactMap(router.judge), tiers: data.tiers)
        guard let result = evaluation.sources.first, let figures = result.choices else { return nil }
        self.source = source
        promised = figures
        moved = 1 - result.share(of: result.models.count - 1)
        apgr = result.apgr
    }
}
