/// Where a chunk's bytes come from, fastest first.
public enum RestoreTier: String, Sendable, Hashable, CaseIterable {
    /// Memory of a device that already holds the chunk, restored before.
    case resident
    /// The memory tier of the store.
    case memory
    /// The store's disk, in the page cache.
    case pageCache = "page_cache"
    /// The store's disk.
    case disk
    /// A store on another machine.
    case remote
}

/// Bytes by tier.
public struct TierBytes: Sendable, Hashable {
    private var counts = [Int](repeating: 0, count: RestoreTier.allCases.count)

    /// None.
    public init() {}

    /// Bytes of one tier.
    public subscript(_ tier: RestoreTier) -> Int {
        get { counts[TierBytes.index(tier)] }
        set { counts[TierBytes.index(tier)] = newValue }
    }

    /// Bytes of all tiers.
    public var total: Int { counts.reduce(0, +) }

    /// The tier that most come from; the fastest when there are none.
    public var largest: RestoreTier {
        RestoreTier.allCases.reduce(.resident) { self[$1] > self[$0] ? $1 : $0 }
    }

    static func += (left: inout TierBytes, right: TierBytes) {
        for index in left.counts.indices { left.counts[index] += right.counts[index] }
    }

    static func index(_ tier: RestoreTier) -> Int {
        switch tier {
        case .resident: 0
        case .memory: 1
        case .pageCache: 2
        case .disk: 3
        case .remote: 4
        }
    }
}

/// How a snapshot comes onto its devices.
public enum RestoreChoice: String, Sendable, Hashable, CaseIterable {
    /// All of it is there already: nothing moves.
    case attach
    /// All of it is copied from memory of devices.
    case clone
    /// Only the chunks that differ from a resident base are brought in, in its place.
    case delta
    /// Chunks come from stores, those that some device holds from there.
    case full
}
