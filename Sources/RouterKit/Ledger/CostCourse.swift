/// How cost and baseline grew from request to request, in a bounded number of points: when there are too many, every
/// second one is dropped and from then on half as many are kept.
struct CostCourse: Sendable, Hashable {
    struct Point: Sendable, Hashable {
        /// Comparable requests so far.
        let requestsCount: Int
        let cost_usd: Double
        let baseline_usd: Double
    }

    private static let mostPointsCount = 512
    private(set) var points = [Point(requestsCount: 0, cost_usd: 0, baseline_usd: 0)]
    /// The latest, which the points need not hold.
    private(set) var last = Point(requestsCount: 0, cost_usd: 0, baseline_usd: 0)
    private var stride = 1

    mutating func add(cost_usd: Double, baseline_usd: Double) {
        last = Point(
            requestsCount: last.requestsCount + 1, cost_usd: last.cost_usd + cost_usd,
            baseline_usd: last.baseline_usd + baseline_usd)
        guard last.requestsCount % stride == 0 else { return }
        points.append(last)
        guard points.count > Self.mostPointsCount else { return }
        stride *= 2
        points.removeAll { $0.requestsCount % stride != 0 }
    }

    /// The points, the latest included.
    var complete: [Point] { points.last == last ? points : points + [last] }
}
