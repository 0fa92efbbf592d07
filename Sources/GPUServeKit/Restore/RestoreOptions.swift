/// How a restore is to be done.
public struct RestoreOptions: Sendable {
    /// Whether each chunk's checksum is checked. Leave it on: without it a damaged disk gives damaged weights.
    public var verifies: Bool
    /// Whether what is copied from a resident is checked once more. Nil for where it costs nothing: between places of the
    /// host's memory, where the checksum is made in the pass that copies. On a GPU each side is read once more for it, at
    /// the bandwidth of its memory, which takes about as long as the copy.
    public var verifiesClones: Bool?
    /// Chunks read and checked at once; nil for as many as suit the tier they come from. Each may take one chunk's length of
    /// memory besides the destination.
    public var parallelCount: Int?
    /// Whether a resident of this restorer that holds the snapshot already may be shared.
    public var mayAttach: Bool
    /// Whether memory of this restorer's residents may be copied from.
    public var mayClone: Bool
    /// Called as bytes get verified, from any thread: bytes done, of how many.
    public var progress: (@Sendable (_ doneBytes: Int, _ totalBytes: Int) -> Void)?

    var workerCount = 4

    /// The usual way.
    public init(
        verifies: Bool = true, verifiesClones: Bool? = nil, parallelCount: Int? = nil, mayAttach: Bool = true,
        mayClone: Bool = true,
        progress: (@Sendable (_ doneBytes: Int, _ totalBytes: Int) -> Void)? = nil
    ) {
        self.verifies = verifies
        self.verifiesClones = verifiesClones
        self.parallelCount = parallelCount
        self.mayAttach = mayAttach
        self.mayClone = mayClone
        self.progress = progress
    }

    /// The same with the number of workers that suits a plan: networks want more in flight than disks.
    func resolved(for plan: RestorePlan) -> RestoreOptions {
        var options = self
        let isRemote = plan.bytesByTier[.remote] * 2 > plan.bytesByTier.total
        options.verifiesClones = verifiesClones ?? (verifies && plan.isOnHost)
        options.workerCount = max(1, min(parallelCount ?? (isRemote ? 8 : 4), 64))
        return options
    }
}
