import BenchSupport
import RouterKit

/// What a source's own labels are worth: a classifier trained on nothing but some of its train rows, measured on its
/// dev rows.
struct LearningCurve {
    struct Point {
        /// Own labelled prompts.
        let labelsCount: Int
        /// Mean over the draws.
        let apgr: Double
        /// Worst and best draw.
        let range: ClosedRange<Double>
        /// Longest training of the draws.
        let seconds: Double
    }

    static let sizes = [125, 250, 500, 1_000]
    static let drawsCount = 3

    let source: String
    let points: [Point]

    init(
        _ pool: OutcomePool, _ data: Outcomes,
        train: ([OutcomeRow], [OutcomePool]) throws -> any ComplexityClassifier
    ) throws {
        source = pool.source
        let own = data.train.filter { $0.source == pool.source }
        let dev = data.dev(of: pool.source)
        let tiers = TierTable([pool])
        points = try Self.sizes.filter { $0 <= own.count }.compactMap { size in
            var values: [Double] = []
            var seconds = 0.0
            for draw in 0..<Self.drawsCount {
                var random = SeededRandom(seed: UInt64(draw) &+ 1)
                let rows = Array(own.shuffled(using: &random).prefix(size))
                let started_ns = monotonicNanoseconds()
                let classifier = try train(rows, [pool])
                seconds = max(seconds, Double(monotonicNanoseconds() - started_ns) / 1e9)
                let predictions = Predictions(name: "", of: classifier, for: dev, tiers)
                if let apgr = predictions.apgr(dev, pool)?.value { values.append(apgr) }
            }
            guard let low = values.min(), let high = values.max() else { return nil }
            return Point(
                labelsCount: size, apgr: values.reduce(0, +) / Double(values.count), range: low...high,
                seconds: seconds)
        }
    }
}
