/// Where the regions of a snapshot lie on its devices: a function of the manifest and the number of devices, so that two
/// snapshots with the same regions have the same layout and one can take the other's place chunk by chunk. Pure.
struct ResidentLayout: Sendable, Hashable {
    /// Memory to be made as one piece.
    struct Arena: Sendable, Hashable {
        /// Where it must lie; nil when it may lie anywhere.
        var address: UInt64?
        var byteCount: Int
    }

    /// A region, or a device's part of it.
    struct Place: Sendable, Hashable {
        var arena: Int
        var offset: Int
        var byteCount: Int
        /// Bytes from `offset` on that nothing else uses: what a read may overshoot into.
        var roomBytes: Int
        var cut: ShardCut
    }

    struct Device: Sendable, Hashable {
        var arenas: [Arena]
        /// In the manifest's order of regions.
        var places: [Place]
        var byteCount: Int { arenas.reduce(0) { $0 + $1.byteCount } }
    }

    var devices: [Device]

    /// - Throws: `shardMismatch`; `invalidArgument` when fixed addresses overlap.
    init(_ manifest: SnapshotManifest, deviceCount: Int) throws(RestoreError) {
        precondition(deviceCount > 0, "a restore needs a device")
        devices = []
        for device in 0..<deviceCount {
            devices.append(try ResidentLayout.device(manifest, device, deviceCount))
        }
    }

    private static func device(
        _ manifest: SnapshotManifest, _ index: Int, _ count: Int
    ) throws(RestoreError) -> Device {
        let regions = manifest.regions
        var places: [Place?] = Array(repeating: nil, count: regions.count)
        var arenas = [Arena(address: nil, byteCount: 0)]
        var fixed: [(region: Int, address: UInt64, cut: ShardCut)] = []
        // In order of need, as they lie in the store, so that reads and copies of neighbours can be one.
        for region in manifest.needOrder {
            let description = regions[region].description
            let cut = try ShardCut(description, device: index, of: count)
            // An address belongs to the whole; a part of it has none.
            if let address = description.address, cut.isWhole, description.byteCount > 0 {
                fixed.append((region, address, cut))
                continue
            }
            let byteCount = description.byteCount == 0 ? 0 : cut.held(before: description.byteCount)
            let room = byteCount.roundedUp(to: PageBuffer.alignment)
            places[region] = Place(
                arena: 0, offset: arenas[0].byteCount, byteCount: byteCount, roomBytes: room, cut: cut)
            arenas[0].byteCount += room
        }
        try place(fixed, regions, &places, &arenas)
        if arenas[0].byteCount == 0, arenas.count > 1 {
            // Nothing floats: the first arena is a fixed one.
            arenas.removeFirst()
            for region in places.indices {
                guard let arena = places[region]?.arena else { continue }
                places[region]?.arena = max(0, arena - 1)
            }
        }
        return Device(arenas: arenas.filter { $0.byteCount > 0 }, places: places.map { $0! })
    }

    /// Puts regions with addresses into as few arenas of whole 2 MiB pages as there are runs of them.
    private static func place(
        _ fixed: [(region: Int, address: UInt64, cut: ShardCut)], _ regions: [SnapshotManifest.Region],
        _ places: inout [Place?], _ arenas: inout [Arena]
    ) throws(RestoreError) {
        let page = UInt64(HostPages.alignment)
        var end: UInt64 = 0
        var last = -1
        for (region, address, cut) in fixed.sorted(by: { $0.address < $1.address }) {
            let byteCount = regions[region].description.byteCount
            guard last < 0 || address >= end else {
                throw RestoreError(
                    .invalidArgument,
                    "regions \(SafeName.show(regions[last].name)) and \(SafeName.show(regions[region].name)) have"
                        + " overlapping addresses; take the snapshot again")
            }
            let first = address / page * page
            if last < 0 || first > end.roundedUp(to: page) { arenas.append(Arena(address: first, byteCount: 0)) }
            let arena = arenas.count - 1
            let base = arenas[arena].address ?? first
            end = address + UInt64(byteCount)
            arenas[arena].byteCount = Int(end.roundedUp(to: page) - base)
            places[region] = Place(
                arena: arena, offset: Int(address - base), byteCount: byteCount, roomBytes: byteCount, cut: cut)
            last = region
        }
    }
}

extension UInt64 {
    fileprivate func roundedUp(to step: UInt64) -> UInt64 { (self + step - 1) / step * step }
}

extension SnapshotManifest {
    /// Whether each region is described alike, so that the two have the same layout.
    func hasSamePlaces(as other: SnapshotManifest) -> Bool {
        chunkBytes == other.chunkBytes && regions.count == other.regions.count
            && zip(regions, other.regions).allSatisfy { $0.description == $1.description }
    }

    /// Indices of the regions in order of need.
    var needOrder: [Int] {
        regions.indices.sorted {
            (regions[$0].description.order, $0) < (regions[$1].description.order, $1)
        }
    }
}
