/// What choices did to quality and cost against always asking the strongest model, over a mix of sources.
public struct MixFigures: Sendable, Hashable {
    /// One row's outcome under the choice, beside that of the strongest model.
    public struct Row: Sendable, Hashable {
        /// Score of the choice minus score of the strongest model, -1...1.
        public var difference: Double
        /// USD of the chosen calls.
        public var cost_usd: Double
        /// USD of the strongest model's call.
        public var strong_usd: Double

        /// A row.
        public init(difference: Double, cost_usd: Double, strong_usd: Double) {
            self.difference = difference
            self.cost_usd = cost_usd
            self.strong_usd = strong_usd
        }
    }

    /// How rows of several sources are weighted.
    public enum Mix: String, Sendable, Hashable, CaseIterable {
        /// Every row counts the same.
        case natural
        /// Every source counts the same, whatever its number of rows: its mean score and mean cost.
        case equal
    }

    /// Rows behind the figures.
    public let rowsCount: Int
    /// Mean score minus that of always-strong; below 0 is a loss. 0.01 is a point.
    public let difference: Double
    /// Where 95 % of paired bootstrap samples put ``difference``.
    public let differenceInterval: ClosedRange<Double>
    /// Share of always-strong's cost that is saved, below 0 when it costs more.
    public let saved: Double
    /// Where 95 % of the same samples put ``saved``.
    public let savedInterval: ClosedRange<Double>

    /// The loss below which a difference may pass: one point.
    public static let mostLoss = 0.01

    /// "No measurable degradation": less than a point lost, and the interval of the difference reaches 0. (An interval
    /// wholly above 0 passes too: being better than always-strong is no degradation.)
    public var passes: Bool { difference > -Self.mostLoss && differenceInterval.upperBound >= 0 }

    /// Figures of `groups`, the rows of one source each; `nil` when there are no rows, or always-strong costs nothing.
    ///
    /// Bootstrap samples are drawn within the sources for the equal mix, and over all rows for the natural one.
    public init?(_ groups: [[Row]], mix: Mix, resamples: Int = 2_000, seed: UInt64 = 1) {
        let parts = (mix == .natural ? [groups.flatMap(\.self)] : groups).filter { !$0.isEmpty }
        guard !parts.isEmpty, resamples > 0 else { return nil }
        var whole = Sums()
        for part in parts { whole.add(part.reduce(into: Sums()) { $0.add($1) }, of: part.count) }
        guard whole.strong_usd > 0 else { return nil }
        var random = SeededRandom(seed: seed)
        var differences: [Double] = []
        var savings: [Double] = []
        for _ in 0..<resamples {
            var sample = Sums()
            for part in parts {
                var sums = Sums()
                for _ in part.indices { sums.add(part[Int.random(in: part.indices, using: &random)]) }
                sample.add(sums, of: part.count)
            }
            differences.append(sample.difference / Double(parts.count))
            if sample.strong_usd > 0 { savings.append(1 - sample.cost_usd / sample.strong_usd) }
        }
        rowsCount = parts.reduce(0) { $0 + $1.count }
        difference = whole.difference / Double(parts.count)
        saved = 1 - whole.cost_usd / whole.strong_usd
        differenceInterval = differences.middle(0.95) ?? difference...difference
        savedInterval = savings.middle(0.95) ?? saved...saved
    }

    private struct Sums {
        var difference = 0.0
        var cost_usd = 0.0
        var strong_usd = 0.0

        mutating func add(_ row: Row) {
            difference += row.difference
            cost_usd += row.cost_usd
            strong_usd += row.strong_usd
        }

        /// Adds the means of `count` rows.
        mutating func add(_ sums: Sums, of count: Int) {
            difference += sums.difference / Double(count)
            cost_usd += sums.cost_usd / Double(count)
            strong_usd += sums.strong_usd / Double(count)
        }
    }
}
