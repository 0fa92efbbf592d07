/// What a restore is going to do, decided before anything moves.
public struct RestorePlan: Sendable {
    /// The snapshot.
    public let snapshot: SnapshotID
    /// Its name for people.
    public let name: String
    /// How it comes onto the devices.
    public let choice: RestoreChoice
    /// Bytes that are going to move, by where they come from. What is in place already is not counted.
    public let bytesByTier: TierBytes
    /// Distinct chunks that are going to be read.
    public let chunkCount: Int
    /// Bytes of new memory on each device; 0 where memory is there already.
    public let newBytes: [Int]
    /// The regions' names in the order in which they get ready.
    public let regions: [String]
    /// How long it will take, from the call until all is verified in place.
    public let predicted_ms: Double
    /// How long until the first region is ready.
    public let predictedFirstRegion_ms: Double

    /// Bytes of `newBytes` that have to be made present first.
    let freshBytes: Int
    let manifest: SnapshotManifest
    /// Whether the host reads and writes all of the destination.
    let isOnHost: Bool
    let layout: ResidentLayout
    let steps: [RestoreStep]
    /// False when the host has what the snapshot wants there.
    let bringsHostPart: Bool

    init(
        _ input: RestorePlanner.Input, _ choice: RestoreChoice, _ layout: ResidentLayout, _ steps: [RestoreStep],
        newBytes: [Int]
    ) {
        snapshot = input.snapshot
        name = input.manifest.name
        self.choice = choice
        self.layout = layout
        self.steps = steps
        self.newBytes = newBytes
        manifest = input.manifest
        regions = manifest.needOrder.map { input.manifest.regions[$0].name }
        var bytes = TierBytes()
        var chunkCount = 0
        for step in steps {
            bytes[step.tier] += step.byteCount
            if step.isRead { chunkCount += 1 }
        }
        let hostChunks = RestorePlanner.hostChunks(of: manifest, over: input.base)
        for chunk in hostChunks { bytes[input.tiers[chunk.hash] ?? .remote] += chunk.byteCount }
        bringsHostPart = !hostChunks.isEmpty
        bytesByTier = bytes
        self.chunkCount = chunkCount
        let clock = RestorePrediction(input.bandwidths, input.devices, choice)
        let reckoned_ms = clock.total_ms(steps, hostBytes: bytes.total - steps.reduce(0) { $0 + $1.byteCount })
        isOnHost = input.devices.allSatisfy(\.isHostVisible)
        let kind = RestoreKind(choice, bytes, isOnHost: isOnHost)
        let moving_ms = kind.flatMap { input.bandwidths.expected_ms($0, bytes.total) } ?? reckoned_ms
        let makesMemory = newBytes.contains { $0 > 0 }
        freshBytes = makesMemory ? RestorePlanner.freshBytes(layout, input.devices) : 0
        let memory_ms = Double(freshBytes) / input.bandwidths.present_bytesPerSecond * 1000
        predicted_ms = memory_ms + moving_ms
        predictedFirstRegion_ms =
            memory_ms + clock.firstRegion_ms(steps, regionCount: manifest.regions.count) * moving_ms / reckoned_ms
    }
}

/// One piece of a restore: a chunk read and put where it belongs, or memory copied from a device.
struct RestoreStep: Sendable {
    enum Work: Sendable {
        case read(ChunkRef, RestoreTier, [RestoreTarget])
        /// `chunk` when the piece is one, whole: then its checksum can be checked, and the store asked for it.
        case copy(ResidentPiece, device: Int, arena: Int, offset: Int, chunk: ChunkRef?)
    }

    var work: Work
    /// The regions that it brings nearer to being ready; one may be there twice.
    var regions: [Int]

    var tier: RestoreTier {
        if case .read(_, let tier, _) = work { tier } else { .resident }
    }

    var isRead: Bool { if case .read = work { true } else { false } }

    var byteCount: Int {
        switch work {
        case .read(let chunk, _, _): chunk.byteCount
        case .copy(let piece, _, _, _, _): piece.byteCount
        }
    }
}

/// Where a chunk, or a device's part of one, goes.
struct RestoreTarget: Sendable, Hashable {
    var device: Int
    var region: Int
    var arena: Int
    var offset: Int
    var byteCount: Int
    /// The bytes of the region that the chunk is.
    var range: Range<Int>

    /// True when the target is the chunk as it is.
    var isWhole: Bool { byteCount == range.count }
}

/// Memory of a resident, by index into the list that the plan was made with.
struct ResidentPiece: Sendable, Hashable {
    var resident: Int
    var device: Int
    var arena: Int
    var offset: Int
    var byteCount: Int
}
