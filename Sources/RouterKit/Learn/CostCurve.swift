/// Mean cost and mean score of a router as the price of money varies: from "whatever looks best" to "whatever is
/// cheapest", with always-strong as the last point.
public struct CostCurve: Sendable, Hashable {
    /// An operating point, or a model asked every time.
    public struct Point: Sendable, Hashable {
        /// Mean USD a prompt.
        public var cost_usd: Double
        /// Mean score, 0...1.
        public var quality: Double

        /// A point.
        public init(cost_usd: Double, quality: Double) {
            self.cost_usd = cost_usd
            self.quality = quality
        }
    }

    /// By growing cost.
    public let points: [Point]
    /// Always the strongest model.
    public let strong: Point

    /// The rule `argmax(predicted - weight * expected cost)` on `rows` of one pool, for weights from 0 upward; equals
    /// go to the cheaper model. `nil` when there are no rows or a price is unknown.
    public init?(_ rows: [JudgedRow]) {
        self.init(rows, value: \.predicted, cost: { $0.expected_usd })
    }

    /// The same rule with measured scores and costs in place of predictions: what no router can beat.
    public init?(oracleOf rows: [JudgedRow]) {
        self.init(rows, value: \.scores, cost: { $0.costs_usd })
    }

    private init?(_ rows: [JudgedRow], value: (JudgedRow) -> [Double], cost: (JudgedRow) -> [Double?]) {
        guard let first = rows.first, let strong = CostCurve.always(first.scores.count - 1, rows) else { return nil }
        let values = rows.map(value)
        let costs = rows.map { cost($0).compactMap(\.self) }
        let arePricesKnown = rows.allSatisfy { !$0.costs_usd.contains(nil) }
        guard arePricesKnown, costs.allSatisfy({ $0.count == first.scores.count }) else { return nil }
        let scale = costs.reduce(0) { $0 + ($1.last ?? 0) } / Double(rows.count)
        guard scale > 0 else { return nil }
        var points = [strong]
        for weight in [0] + (0...96).map({ CostCurve.power($0) / scale }) {
            var (cost_usd, quality) = (0.0, 0.0)
            for (index, row) in rows.enumerated() {
                let choice = CostCurve.best(values[index], costs[index], weight: weight)
                cost_usd += row.costs_usd[choice] ?? 0
                quality += row.scores[choice]
            }
            points.append(Point(cost_usd: cost_usd / Double(rows.count), quality: quality / Double(rows.count)))
        }
        self.points = points.sorted { ($0.cost_usd, $0.quality) < ($1.cost_usd, $1.quality) }
        self.strong = strong
    }

    /// Mean cost and score of always asking the model at `position`; `nil` without rows or price.
    public static func always(_ position: Int, _ rows: [JudgedRow]) -> Point? {
        guard !rows.isEmpty else { return nil }
        var point = Point(cost_usd: 0, quality: 0)
        for row in rows {
            guard let cost_usd = row.costs_usd[position] else { return nil }
            point.cost_usd += cost_usd / Double(rows.count)
            point.quality += row.scores[position] / Double(rows.count)
        }
        return point
    }

    /// The greatest share of always-strong's cost that a point saves which reaches `share` of its score. Chosen on the
    /// very rows that it is measured on, hence a little optimistic: a policy must choose its point elsewhere.
    public func saved(atShareOfStrong share: Double) -> Double {
        let wanted = share * strong.quality - 1e-12
        let cheapest = points.first { $0.quality >= wanted } ?? strong
        return strong.cost_usd > 0 ? 1 - cheapest.cost_usd / strong.cost_usd : 0
    }

    /// 2^-12, 2^-11.75, ... 2^12.
    private static func power(_ step: Int) -> Double {
        let quarter = [1, 1.189207115002721, 1.4142135623730951, 1.681792830507429]
        return Double(sign: .plus, exponent: step / 4 - 12, significand: quarter[step % 4])
    }

    private static func best(_ values: [Double], _ costs: [Double], weight: Double) -> Int {
        var best = 0
        for place in 1..<values.count {
            let difference = (values[place] - weight * costs[place]) - (values[best] - weight * costs[best])
            if difference > 0 || (difference == 0 && costs[place] < costs[best]) { best = place }
        }
        return best
    }
}
