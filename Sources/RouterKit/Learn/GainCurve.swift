/// How much of the gap between a cheap and a strong model a router recovers with how many calls to the strong one.
///
/// Rows are sent to the strong model in the order of their predicted gain; rows of equal prediction share their mean,
/// so that no order among them is rewarded. `PGR(k) = (q(k) - q_cheap) / (q_strong - q_cheap)`, where `q(k)` is the mean
/// score when the first `k` of `n` rows go to the strong model. APGR is the area under it by trapezoids over all
/// `n + 1` points; a random order gives 0.5, and more than 1 is possible where the cheap model is better on some rows.
/// Definitions of RouteLLM (Ong et al. 2024, arXiv 2406.18665).
public struct GainCurve: Sendable {
    /// Score gained over always-cheap, summed over the first `k` rows; `n + 1` values.
    private let gained: [Double]

    /// The curve of `predictedGain` (strong minus cheap, any scale) on measured scores; one value a row each.
    ///
    /// `nil` when the strong model is not better than the cheap one on these rows: there is no gap to recover.
    public init?(predictedGain: [Double], cheap: [Double], strong: [Double]) {
        precondition(predictedGain.count == cheap.count && cheap.count == strong.count, "one value a row each")
        let order = predictedGain.indices.sorted { predictedGain[$0] > predictedGain[$1] }
        self.init(order: order, predictedGain: predictedGain, gain: cheap.indices.map { strong[$0] - cheap[$0] })
    }

    private init?(order: [Int], predictedGain: [Double], gain: [Double]) {
        var gained = [0.0]
        gained.reserveCapacity(order.count + 1)
        var start = 0
        while start < order.count {
            var end = start + 1
            while end < order.count, predictedGain[order[end]] == predictedGain[order[start]] { end += 1 }
            let base = gained[start]
            let sum = order[start..<end].reduce(0) { $0 + gain[$1] }
            for place in 1...(end - start) {
                gained.append(base + sum * Double(place) / Double(end - start))
            }
            start = end
        }
        guard gained[order.count] > 0 else { return nil }
        self.gained = gained
    }

    /// Average performance gap recovered.
    public var apgr: Double {
        let ends = (gained[0] + gained[gained.count - 1]) / 2
        let inner = gained.dropFirst().dropLast().reduce(0, +)
        return (ends + inner) / Double(gained.count - 1) / gained[gained.count - 1]
    }

    /// Call-performance threshold: the least share of calls to the strong model, 0...1, that recovers `share` of the
    /// gap; linear between rows.
    public func callShare(recovering share: Double) -> Double {
        let wanted = share * gained[gained.count - 1]
        guard let place = gained.firstIndex(where: { $0 >= wanted }), place > 0 else { return 0 }
        let step = gained[place] - gained[place - 1]
        return (Double(place) - (gained[place] - wanted) / step) / Double(gained.count - 1)
    }

    /// The middle 95 % of the APGR of `resamples` bootstrap samples of the rows; `nil` as for the curve itself, or
    /// when most samples have no gap.
    public static func apgrInterval(
        predictedGain: [Double], cheap: [Double], strong: [Double], resamples: Int = 500, seed: UInt64 = 1
    ) -> ClosedRange<Double>? {
        let count = predictedGain.count
        guard count > 0 else { return nil }
        var random = SeededRandom(seed: seed)
        let order = predictedGain.indices.sorted { predictedGain[$0] > predictedGain[$1] }
        let gain = cheap.indices.map { strong[$0] - cheap[$0] }
        var values: [Double] = []
        for _ in 0..<resamples {
            var times = [Int](repeating: 0, count: count)
            for _ in 0..<count { times[Int.random(in: 0..<count, using: &random)] += 1 }
            let sample = order.flatMap { repeatElement($0, count: times[$0]) }
            if let curve = GainCurve(order: sample, predictedGain: predictedGain, gain: gain) {
                values.append(curve.apgr)
            }
        }
        return values.count * 2 > resamples ? values.middle(0.95) : nil
    }
}

extension [Double] {
    /// The range that holds the middle `share` of the values (nearest ranks); `nil` without values.
    func middle(_ share: Double) -> ClosedRange<Double>? {
        guard !isEmpty else { return nil }
        let sorted = sorted()
        let tail = (1 - share) / 2
        let low = Int((tail * Double(count) + 1e-9).rounded(.down))
        return sorted[Swift.min(low, count - 1 - low)]...sorted[Swift.max(low, count - 1 - low)]
    }
}
