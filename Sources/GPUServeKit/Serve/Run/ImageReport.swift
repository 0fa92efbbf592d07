internal import Wire

/// What `ServeRuntime.snapshot` made.
public struct ImageReport: Sendable, Hashable {
    /// The deployment.
    public var name: String
    /// `processSnapshot`, or `kitSnapshot` for a server that keeps its own.
    public var tier: SleepTier
    /// What it takes on disk; for `kitSnapshot` all that the store of the state directory holds.
    public var bytes: Int
    /// From the last answer before it to where the replica was asleep, in seconds.
    public var imageSeconds: Double
    /// From there to where it was awake again, its canary answered, in seconds; nil when it stays asleep for want of memory.
    public var wakeSeconds: Double?

    /// One JSON object.
    public var json: [UInt8] {
        var object = JSONObjectText()
        object.add("name", name)
        object.add("tier", tier.rawValue)
        object.add("bytes", bytes)
        object.add("image_seconds", imageSeconds)
        if let wakeSeconds { object.add("wake_seconds", wakeSeconds) }
        return object.bytes
    }
}
