/// What a restore did, measured.
public struct RestoreReport: Sendable, Hashable {
    /// The snapshot.
    public var snapshot: SnapshotID
    /// How it came onto the devices.
    public var choice: RestoreChoice
    /// From the call until all of it was verified in place.
    public var ready_ms: Double
    /// From the call until the first region was.
    public var firstRegion_ms: Double
    /// From the call until the plan was made.
    public var planned_ms: Double
    /// What was predicted before anything moved.
    public var predicted_ms: Double
    /// Bytes that were moved, by where they came from.
    public var bytesByTier: TierBytes
    /// Chunks whose checksum was checked.
    public var verifiedChunkCount: Int
    /// Faults of one tier that another made good.
    public var incidents: [SnapshotError]
    /// Bytes of new memory that had to be made present before anything moved.
    public var freshBytes = 0
    /// What making the memory took, a part of `ready_ms`.
    public var memory_ms = 0.0

    /// Bytes moved a nanosecond: GB/s, 10^9 bytes each.
    public var gigabytesPerSecond: Double { ready_ms > 0 ? Double(bytesByTier.total) / ready_ms / 1e6 : 0 }

    /// How far the prediction was off, of what was measured: 0.1 is 10 %.
    public var predictionError: Double { ready_ms > 0 ? abs(predicted_ms - ready_ms) / ready_ms : 0 }
}
