/// What one way to readiness was spent on, in milliseconds.
public struct Waterfall: Sendable, Hashable {
    /// What the replica came back from.
    public var tier: SleepTier
    /// When it was ready, in milliseconds since 1970.
    public var ended_ms: Int
    /// Before the engine that answers was begun: waiting for room, and tries that failed.
    public var before_ms: Double
    /// Until the engine's process was there.
    public var engine_ms: Double
    /// Until it said that it was ready.
    public var ready_ms: Double
    /// Until its canary had passed; requests are asked beside it.
    public var canary_ms: Double

    /// All of it.
    public var total_ms: Double { before_ms + engine_ms + ready_ms + canary_ms }

    var object: JSONObjectText {
        var object = JSONObjectText()
        object.add("tier", tier.rawValue)
        object.add("ended_ms", ended_ms)
        for (name, ms) in [("before", before_ms), ("engine", engine_ms), ("ready", ready_ms), ("canary", canary_ms)] {
            object.add(name + "_ms", (ms * 10).rounded() / 10)
        }
        return object
    }
}
