/// How many replicas a deployment may have, and when. Changed while it runs, it counts from the next decision on.
public struct ScaleSettings: Sendable, Hashable {
    /// Never fewer. 0 lets it go to zero.
    public var minCount: Int
    /// Never more.
    public var maxCount: Int
    /// Spare replicas beyond what the load needs, while there is load.
    public var bufferCount: Int
    /// Requests that one replica is to have at once.
    public var concurrency: Int
    /// How long the load must have been lower before a replica goes.
    public var scaledown_ms: Int
    /// Whether replicas are woken ahead of requests that the traffic so far leads one to expect.
    public var isPrewaking: Bool
    /// How many seconds of an idle replica one second less of waiting is worth. Then a replica stays, and is woken ahead, as long
    /// as the traffic so far makes that worth it, whatever `scaledown_ms` says beyond it. 0: always `scaledown_ms`.
    public var patience: Int

    /// Settings; see `problem` for their ranges.
    public init(
        minCount: Int = 0, maxCount: Int = 1, bufferCount: Int = 0, concurrency: Int = 4, scaledown_ms: Int = 60_000,
        isPrewaking: Bool = true, patience: Int = 0
    ) {
        self.minCount = minCount
        self.maxCount = maxCount
        self.bufferCount = bufferCount
        self.concurrency = concurrency
        self.scaledown_ms = scaledown_ms
        self.isPrewaking = isPrewaking
        self.patience = patience
    }

    /// How many replicas so many requests at once need.
    public func replicaCount(for requestCount: Int) -> Int { (requestCount + concurrency - 1) / concurrency }

    /// A sentence about the first setting out of its range; nil when all make sense.
    public var problem: String? {
        if !(0...1024).contains(minCount) { return "min is \(minCount); it must be 0 to 1024" }
        if !(1...1024).contains(maxCount) { return "max is \(maxCount); it must be 1 to 1024" }
        if minCount > maxCount { return "min is \(minCount) and max only \(maxCount); raise max or lower min" }
        if !(0...1024).contains(bufferCount) { return "buffer is \(bufferCount); it must be 0 to 1024" }
        if !(1...100_000).contains(concurrency) { return "concurrency is \(concurrency); it must be 1 to 100000" }
        if !(0...86_400_000).contains(scaledown_ms) {
            return "scaledown is \(scaledown_ms) ms; it must be 0 to a day (86400000 ms)"
        }
        if !(0...1_000_000).contains(patience) { return "patience is \(patience); it must be 0 to 1000000" }
        return nil
    }
}
