internal import Glibc

/// What the gaps between a deployment's requests so far say about the next one: a histogram of gaps, four buckets to the
/// doubling from 0.1 s to over four hours, in which newer gaps count more.
///
/// After the idle-time histograms of Shahrad et al., "Serverless in the Wild", USENIX ATC 2020.
public struct ArrivalForecast: Sendable, Hashable {
    /// Gaps shorter than this are bursts, during which nothing is asleep.
    private static let shortest_ms = 100.0
    private static let bucketCount = 70
    /// Fewer gaps say nothing.
    static let neededCount = 4.0
    /// When so many are counted, all are halved.
    private static let memoryCount = 256.0

    private var counts = [Double](repeating: 0, count: bucketCount)
    private var total = 0.0
    private var last_ms: Int?

    /// Nothing seen yet.
    public init() {}

    /// Notes a request at a time of a clock that never jumps.
    public mutating func requestArrived(at now_ms: Int) {
        defer { last_ms = max(now_ms, last_ms ?? now_ms) }
        guard let last_ms else { return }
        let gap_ms = Double(now_ms - last_ms)
        guard gap_ms >= Self.shortest_ms else { return }
        counts[Self.bucket(gap_ms)] += 1
        total += 1
        guard total >= Self.memoryCount else { return }
        for index in counts.indices { counts[index] /= 2 }
        total /= 2
    }

    /// Time since the last request; nil before the first.
    public func idle_ms(at now_ms: Int) -> Int? { last_ms.map { max(0, now_ms - $0) } }

    /// How likely a request comes within `horizon_ms` from now, given that none has come since the last; 0 to 1. Nil when too
    /// few gaps were seen to tell, or when none was ever as long as this one.
    public func probability(at now_ms: Int, within horizon_ms: Int) -> Double? {
        guard let idle_ms = idle_ms(at: now_ms), total >= Self.neededCount else { return nil }
        let left = survivors(beyond: Double(idle_ms))
        guard left > 0.5 else { return nil }
        return 1 - survivors(beyond: Double(idle_ms + horizon_ms)) / left
    }

    /// The most that waiting awake for the next request can be worth now: over all times that one could wait, the chance that
    /// it comes by then for each millisecond that one waits on average. Nil when too few gaps were seen to tell.
    ///
    /// One more gap than was seen is taken to be longer than all: what never happened yet may happen.
    public func likelihoodPer_ms(at now_ms: Int) -> Double? {
        guard let idle_ms = idle_ms(at: now_ms), total >= Self.neededCount else { return nil }
        let begin = Double(idle_ms)
        let alive = survivors(beyond: begin) + 1
        var (best, waited, at, left) = (0.0, 0.0, begin, alive)
        let first = max(0, Int(Self.position(max(begin, Self.shortest_ms)).rounded(.down)) + 1)
        guard first < Self.bucketCount else { return 0 }
        // The bucket that the time so far lies in is left at the next edge.
        var after = counts[first...].reduce(0, +) + 1
        for edge in first...Self.bucketCount {
            let end = Self.shortest_ms * exp2(Double(edge) / 4)
            if edge > first { after -= counts[edge - 1] }
            waited += (left + after) / 2 / alive * (end - at)
            if waited > 0 { best = max(best, (alive - after) / alive / waited) }
            (at, left) = (end, after)
        }
        return best
    }

    /// How many of the gaps were longer; within a bucket, gaps are taken to be spread evenly over its logarithm.
    private func survivors(beyond gap_ms: Double) -> Double {
        guard gap_ms >= Self.shortest_ms else { return total }
        let position = Self.position(gap_ms)
        let bucket = min(Int(position), Self.bucketCount - 1)
        let whole = counts[(bucket + 1)...].reduce(0, +)
        return whole + counts[bucket] * max(0, 1 - (position - Double(bucket)))
    }

    private static func position(_ gap_ms: Double) -> Double { 4 * log2(gap_ms / shortest_ms) }
    private static func bucket(_ gap_ms: Double) -> Int { min(max(0, Int(position(gap_ms))), bucketCount - 1) }
}
