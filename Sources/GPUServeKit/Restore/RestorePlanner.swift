/// Decides how a snapshot comes onto its devices: pure, so that every decision can be tested without a device or a disk.
enum RestorePlanner {
    /// Everything that a decision rests on.
    struct Input: Sendable {
        var snapshot: SnapshotID
        var manifest: SnapshotManifest
        var devices: [DeviceState]
        /// Where each chunk lies in the stores; one that is missing is not there.
        var tiers: [ContentHash: RestoreTier]
        /// What is in place already, when the snapshot is to take its place.
        var base: SnapshotManifest?
        /// Where the base's regions lie, when that is known.
        var baseLayout: ResidentLayout?
        /// Residents whose memory may be copied from.
        var residents: [KnownResident] = []
        var bandwidths = Bandwidths.standard
    }

    /// A device as it is now.
    struct DeviceState: Sendable, Hashable {
        var info: DeviceInfo
        var freeBytes: Int
        /// As `CUDADriver.version`; nil for hosts.
        var driverVersion: Int?
        /// Whether the host reads and writes its memory directly.
        var isHostVisible: Bool
        /// Memory that is present already and that arenas may get; nil where new memory costs no time worth counting.
        var idle: [IdlePages]?
    }

    /// What is in memory of devices.
    struct KnownResident: Sendable {
        var snapshot: SnapshotID
        var manifest: SnapshotManifest
        var devices: [DeviceID]
        /// Whether all devices of the restore can copy from it.
        var isReachable: Bool
    }

    /// Most bytes of one copy between devices: long enough for full speed, short enough that regions get ready one by one.
    static let copyBytes = 64 * 1024 * 1024

    /// - Throws: `architectureMismatch`, `driverTooOld`, `shardMismatch`, `layoutDiffers`, `memoryShort`, `chunkMissing` or
    ///   `invalidArgument`: each before anything moves, with what to do.
    static func plan(_ input: Input) throws(RestoreError) -> RestorePlan {
        guard !input.devices.isEmpty else {
            throw RestoreError(.invalidArgument, "a restore needs at least one device")
        }
        for device in input.devices { try Preflight.checkCode(input.manifest, device) }
        if let base = input.base, let layout = input.baseLayout, base.hasSamePlaces(as: input.manifest) {
            return try delta(input, base, layout)
        }
        let layout = try ResidentLayout(input.manifest, deviceCount: input.devices.count)
        if let base = input.base { return try delta(input, base, layout) }
        try Preflight.checkMemory(layout, input.devices)
        let newBytes = layout.devices.map(\.byteCount)
        if let index = twin(input) {
            return RestorePlan(input, .clone, layout, copies(of: index, input, layout), newBytes: newBytes)
        }
        let reachable = input.residents.enumerated().filter { $0.element.isReachable }
        let steps = try reads(input, layout, resident: held(reachable)) { _, _ in true }
        return RestorePlan(input, .full, layout, steps, newBytes: newBytes)
    }

    /// Bytes of the arenas that have to be made present first: a page fault for each, and its zeros, cost as much as half a
    /// read from the page cache.
    static func freshBytes(_ layout: ResidentLayout, _ devices: [DeviceState]) -> Int {
        // Devices may share a pool; an address is one piece of memory.
        var taken: Set<UInt64> = []
        var sum = 0
        for (placed, device) in zip(layout.devices, devices) {
            guard let idle = device.idle else { continue }
            for arena in placed.arenas {
                let need = arena.byteCount.roundedUp(to: HostPages.alignment)
                let left = idle.filter { !taken.contains($0.address) }
                if let best = IdlePages.best(of: left, for: need, at: arena.address) {
                    taken.insert(left[best].address)
                } else {
                    sum += need
                }
            }
        }
        return sum
    }

    /// Whether all of it can be copied from one resident.
    static func isClone(_ input: Input) -> Bool { input.base == nil && twin(input) != nil }

    /// A resident that has all of it, cut alike.
    private static func twin(_ input: Input) -> Int? {
        input.residents.firstIndex {
            $0.isReachable && $0.snapshot == input.snapshot && $0.devices.count == input.devices.count
        }
    }

    /// The chunks at which the snapshot differs from the base that is in its place.
    private static func delta(
        _ input: Input, _ base: SnapshotManifest, _ layout: ResidentLayout
    ) throws(RestoreError) -> RestorePlan {
        guard try fits(input, base, layout) else {
            throw RestoreError(
                .layoutDiffers,
                "the regions of \(SafeName.show(input.manifest.name)) are not those of its base"
                    + " \(SafeName.show(base.name)); restore it into memory of its own")
        }
        let steps = try reads(input, layout, resident: [:]) { region, chunk in
            base.regions[region].content.chunks[chunk].hash != input.manifest.regions[region].content.chunks[chunk].hash
        }
        let none = input.devices.map { _ in 0 }
        let isSame = steps.isEmpty && hostChunks(of: input.manifest, over: base).isEmpty
        return RestorePlan(input, isSame ? .attach : .delta, layout, steps, newBytes: none)
    }

    private static func fits(
        _ input: Input, _ base: SnapshotManifest, _ layout: ResidentLayout
    ) throws(RestoreError) -> Bool {
        if base.hasSamePlaces(as: input.manifest) { return true }
        guard base.chunkBytes == input.manifest.chunkBytes,
            base.regions.map(\.name) == input.manifest.regions.map(\.name)
        else { return false }
        return try ResidentLayout(base, deviceCount: input.devices.count) == layout
    }

    /// A read, or a copy from a device that holds the chunk, for each chunk that `isWanted`, in order of need.
    private static func reads(
        _ input: Input, _ layout: ResidentLayout, resident: [ContentHash: ResidentPiece],
        _ isWanted: (_ region: Int, _ chunk: Int) -> Bool
    ) throws(RestoreError) -> [RestoreStep] {
        var steps: [RestoreStep] = []
        var known: [ContentHash: Int] = [:]
        for region in input.manifest.needOrder {
            var start = 0
            for (index, chunk) in input.manifest.regions[region].content.chunks.enumerated() {
                let range = start..<start + chunk.byteCount
                start = range.upperBound
                guard isWanted(region, index) else { continue }
                let found = targets(of: region, range, layout)
                if let step = known[chunk.hash], case .read(_, let tier, let others) = steps[step].work {
                    // The same bytes again: read once, put in several places.
                    steps[step].work = .read(chunk, tier, others + found)
                    steps[step].regions += found.map(\.region)
                    continue
                }
                if let piece = resident[chunk.hash], found.allSatisfy(\.isWhole) {
                    for target in found {
                        steps.append(
                            RestoreStep(
                                work: .copy(
                                    piece, device: target.device, arena: target.arena, offset: target.offset,
                                    chunk: chunk),
                                regions: [region]))
                    }
                    continue
                }
                guard let tier = input.tiers[chunk.hash] else { throw Preflight.missing(chunk, of: input, region) }
                known[chunk.hash] = steps.count
                steps.append(RestoreStep(work: .read(chunk, tier, found), regions: found.map(\.region)))
            }
        }
        for chunk in hostChunks(of: input.manifest, over: input.base) where input.tiers[chunk.hash] == nil {
            throw Preflight.missing(chunk, of: input, nil)
        }
        return steps
    }

    private static func targets(of region: Int, _ range: Range<Int>, _ layout: ResidentLayout) -> [RestoreTarget] {
        var targets: [RestoreTarget] = []
        for (device, placed) in layout.devices.enumerated() {
            let place = placed.places[region]
            let part = place.cut.part(of: range)
            guard !part.isEmpty else { continue }
            targets.append(
                RestoreTarget(
                    device: device, region: region, arena: place.arena, offset: place.offset + part.lowerBound,
                    byteCount: part.count, range: range))
        }
        return targets
    }

    /// Chunks that lie whole in reachable residents.
    private static func held(_ residents: [(offset: Int, element: KnownResident)]) -> [ContentHash: ResidentPiece] {
        var held: [ContentHash: ResidentPiece] = [:]
        for (index, resident) in residents {
            // A resident's own layout cannot fail: it was made.
            guard let layout = try? ResidentLayout(resident.manifest, deviceCount: resident.devices.count) else {
                continue
            }
            for (number, region) in resident.manifest.regions.enumerated() {
                var start = 0
                for chunk in region.content.chunks {
                    let range = start..<start + chunk.byteCount
                    start = range.upperBound
                    guard let target = targets(of: number, range, layout).first, target.isWhole else { continue }
                    held[chunk.hash] = ResidentPiece(
                        resident: index, device: target.device, arena: target.arena, offset: target.offset,
                        byteCount: target.byteCount)
                }
            }
        }
        return held
    }

    private static func copies(of resident: Int, _ input: Input, _ layout: ResidentLayout) -> [RestoreStep] {
        let isOnHost =
            input.devices.allSatisfy(\.isHostVisible)
            && input.residents[resident].devices.allSatisfy { $0.kind == .host }
        return isOnHost ? chunkCopies(of: resident, input, layout) : arenaCopies(of: resident, layout)
    }

    /// Chunk by chunk, so that each can be checked while it is copied; parts of regions in pieces of `copyBytes`.
    private static func chunkCopies(of resident: Int, _ input: Input, _ layout: ResidentLayout) -> [RestoreStep] {
        var steps: [RestoreStep] = []
        func add(_ place: ResidentLayout.Place, _ device: Int, _ region: Int, _ range: Range<Int>, _ chunk: ChunkRef?) {
            let offset = place.offset + range.lowerBound
            let piece = ResidentPiece(
                resident: resident, device: device, arena: place.arena, offset: offset, byteCount: range.count)
            steps.append(
                RestoreStep(
                    work: .copy(piece, device: device, arena: place.arena, offset: offset, chunk: chunk),
                    regions: [region]))
        }
        for region in input.manifest.needOrder {
            for (device, placed) in layout.devices.enumerated() {
                let place = placed.places[region]
                guard place.cut.isWhole else {
                    for start in stride(from: 0, to: place.byteCount, by: copyBytes) {
                        add(place, device, region, start..<min(start + copyBytes, place.byteCount), nil)
                    }
                    continue
                }
                var start = 0
                for chunk in input.manifest.regions[region].content.chunks {
                    add(place, device, region, start..<start + chunk.byteCount, chunk)
                    start += chunk.byteCount
                }
            }
        }
        return steps
    }

    /// Whole arenas, device by device, in pieces of `copyBytes`.
    private static func arenaCopies(of resident: Int, _ layout: ResidentLayout) -> [RestoreStep] {
        var steps: [RestoreStep] = []
        for (device, placed) in layout.devices.enumerated() {
            for (arena, memory) in placed.arenas.enumerated() {
                let regions = placed.places.indices.filter {
                    placed.places[$0].arena == arena && placed.places[$0].byteCount > 0
                }.sorted { placed.places[$0].offset < placed.places[$1].offset }
                var next = 0
                for start in stride(from: 0, to: memory.byteCount, by: copyBytes) {
                    let end = min(start + copyBytes, memory.byteCount)
                    var touched: [Int] = []
                    while next < regions.count, placed.places[regions[next]].offset < end {
                        touched.append(regions[next])
                        let place = placed.places[regions[next]]
                        if place.offset + place.byteCount > end { break }
                        next += 1
                    }
                    steps.append(
                        RestoreStep(
                            work: .copy(
                                ResidentPiece(
                                    resident: resident, device: device, arena: arena, offset: start,
                                    byteCount: end - start), device: device, arena: arena, offset: start,
                                chunk: nil),
                            regions: touched))
                }
            }
        }
        return steps
    }

    /// What a restore brings to the host: code images and the host's state; nothing when the base has the same.
    static func hostChunks(of manifest: SnapshotManifest, over base: SnapshotManifest?) -> [ChunkRef] {
        if let base, base.modules == manifest.modules, base.hostState == manifest.hostState { return [] }
        return manifest.modules.flatMap(\.content.chunks) + (manifest.hostState?.chunks ?? [])
    }
}

/// Refusals before anything moves.
enum Preflight {
    /// Code that the device cannot run, or a driver that the snapshot needs and the host lacks. Hosts run none of it.
    static func checkCode(
        _ manifest: SnapshotManifest, _ device: RestorePlanner.DeviceState
    ) throws(RestoreError) {
        guard device.info.id.kind == .cuda else { return }
        if let wanted = manifest.device["driver_version"].flatMap({ Int($0) }), let has = device.driverVersion,
            has < wanted
        {
            throw RestoreError(
                .driverTooOld,
                "the snapshot needs a driver that speaks CUDA \(CUDADriver.text(wanted)), \(device.info.id) has"
                    + " \(CUDADriver.text(has)); update the NVIDIA driver")
        }
        guard !manifest.modules.isEmpty, let made = manifest.device["architecture"].flatMap(architecture),
            let has = device.info.computeCapability
        else { return }
        let isBinary = manifest.modules.contains { $0.kind == "cubin" }
        let runs = isBinary ? has.major == made.major && has.minor >= made.minor : (has.major, has.minor) >= made
        guard runs else {
            throw RestoreError(
                .architectureMismatch,
                "the snapshot's code is for architecture \(made.major).\(made.minor), \(device.info.id)"
                    + " (\(device.info.name)) is \(has); restore on such a device, or take the snapshot again on this one"
            )
        }
    }

    /// `9.0` or `sm_90`.
    static func architecture(_ text: String) -> (major: Int, minor: Int)? {
        if text.hasPrefix("sm_"), let number = Int(text.dropFirst(3)) { return (number / 10, number % 10) }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
        guard parts.count == 2, let major = parts[0], let minor = parts[1] else { return nil }
        return (major, minor)
    }

    static func checkMemory(
        _ layout: ResidentLayout, _ devices: [RestorePlanner.DeviceState]
    ) throws(RestoreError) {
        // Several host devices take from one memory, so what one needs the next has no more.
        var hostBytes = 0
        for (placed, device) in zip(layout.devices, devices) {
            let need = placed.arenas.reduce(0) { $0 + $1.byteCount.roundedUp(to: HostPages.alignment) }
            let isHost = device.info.id.kind == .host
            guard need + (isHost ? hostBytes : 0) <= device.freeBytes else {
                throw RestoreError(
                    .memoryShort,
                    "\(device.info.id) needs \(need) bytes and has \(max(0, device.freeBytes - (isHost ? hostBytes : 0)))"
                        + " free; close a resident there, use more devices, or a smaller model")
            }
            if isHost { hostBytes += need }
        }
    }

    static func missing(_ chunk: ChunkRef, of input: RestorePlanner.Input, _ region: Int?) -> RestoreError {
        let place = region.map { "region \(SafeName.show(input.manifest.regions[$0].name))" } ?? "the host's part"
        return RestoreError(
            .chunkMissing,
            "chunk \(chunk.hash) of \(place) is in no store; add a store that has it, or push the snapshot again",
            chunk: chunk.hash)
    }
}
