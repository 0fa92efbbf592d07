import BenchSupport
import GPUServeKit

/// All measurements of one run on one GPU. Written against `CUDAContext`, so that the tests can take every step over a fake
/// driver; figures come from a GPU only.
struct GPUMeasurements {
    /// How much is moved and how often.
    struct Sizes {
        var regionBytes = 64 << 20
        /// 60 regions of 64 MiB are 4.03 GB.
        var regionCount = 60
        var chunkBytes = 4 << 20
        /// Of one copy when the ceilings are measured, and how many there are.
        var pieceBytes = 32 << 20
        var pieceCount = 16
        /// Chunks read, checked and uploaded at once.
        var workerCount = 16
        var restoreRounds = 7
        var switchRounds = 100
        var contextRounds = 5
        var poolRounds = 100

        static let full = Sizes()
        static let quick = Sizes(
            regionBytes: 16 << 20, regionCount: 4, pieceCount: 4, restoreRounds: 2, switchRounds: 5, contextRounds: 2,
            poolRounds: 5)
    }

    let driver: CUDADriver
    let ordinal: Int
    let sizes: Sizes
    /// Where the snapshots are kept; nothing is there yet.
    let storePath: String

    private var modelBytes: Int { sizes.regionBytes * sizes.regionCount }
    private var base: PatternSource {
        PatternSource(regionCount: sizes.regionCount, regionBytes: sizes.regionBytes, seed: 1)
    }
    /// Differs from `base` in 1.5 % of its chunks.
    private var variant: PatternSource {
        let chunks = modelBytes / sizes.chunkBytes
        return PatternSource(
            regionCount: sizes.regionCount, regionBytes: sizes.regionBytes, seed: 1, chunkBytes: sizes.chunkBytes,
            changedChunks: max(1, chunks * 15 / 1000))
    }

    func run() async throws -> Figures {
        var figures = Figures()
        // First, while this process has no context on the device: those that come later share its primary context.
        try await contexts(&figures)
        let context = try await CUDAContext.make(driver: driver, ordinal: ordinal)
        figures.device = "\(context.device.name), \(context.device.totalBytes >> 20) MiB"
        do {
            try await ceilings(context, &figures)
            try await snapshots(context, &figures)
        } catch {
            try? await context.close()
            throw error
        }
        try await context.close()
        figures.add("mismatched_regions", Double(figures.mismatches.count), below: 1)
        return figures
    }

    /// Milliseconds that `body` takes.
    private func time_ms(_ body: () async throws -> Void) async throws -> Double {
        let start = monotonicNanoseconds()
        try await body()
        return Double(monotonicNanoseconds() - start) / 1e6
    }

    // MARK: Contexts

    /// A fresh context with two streams, and one with the same from a pool.
    private func contexts(_ figures: inout Figures) async throws {
        var fresh: [Double] = []
        for _ in 0..<sizes.contextRounds {
            var made: CUDAContext?
            fresh.append(
                try await time_ms {
                    let context = try await CUDAContext.make(driver: driver, ordinal: ordinal)
                    made = context
                    _ = try await context.makeStream()
                    _ = try await context.makeStream()
                })
            try await made?.close()
        }
        let pool = try ContextPool(.cuda(driver, ordinal: ordinal), count: 1)
        await pool.fill()
        var pooled: [Double] = []
        for _ in 0..<sizes.poolRounds {
            while await pool.warmCount == 0 {
                if let failure = await pool.failure { throw failure }
                await Task.yield()
            }
            let start = monotonicNanoseconds()
            let lease = try await pool.take()
            pooled.append(Double(monotonicNanoseconds() - start) / 1e6)
            _ = consume lease
        }
        await pool.close()
        figures.count += fresh.count + pooled.count
        figures.add("context_fresh_ms_p50", Percentiles(fresh)[0.5])
        figures.add("context_pool_ms_p50", Percentiles(pooled)[0.5], below: 2)
        figures.add("context_pool_ms_p99", Percentiles(pooled)[0.99])
    }

    // MARK: Ceilings

    /// What `cuMemcpyHtoDAsync` from pinned memory and `cuMemcpyDtoDAsync` give, best of the rounds, in a context of its own so
    /// that its staging pool goes with it.
    private func ceilings(_ main: CUDAContext, _ figures: inout Figures) async throws {
        let context = try await CUDAContext.make(driver: driver, ordinal: ordinal)
        do {
            let (piece, count) = (sizes.pieceBytes, sizes.pieceCount)
            let stream = try await context.makeStream()
            let target = try await context.makeArena(byteCount: piece * count)
            let source = try await context.makeArena(byteCount: piece * count)
            let (to, from) = (target.range, source.range)
            try await context.prepareStaging(slotBytes: piece, count: count)
            var windows: [HostWindow] = []
            for index in 0..<count {
                let window = try await context.landing(for: to.slice(index * piece, piece))
                window.withBytes {
                    _ = $0.initializeMemory(as: UInt8.self, repeating: UInt8(truncatingIfNeeded: index))
                }
                windows.append(window)
            }
            var (up, within): ([Double], [Double]) = ([], [])
            for _ in 0..<sizes.restoreRounds {
                var last: CompletionToken?
                let up_ms = try await time_ms {
                    for (index, window) in windows.enumerated() {
                        last = try await context.copyIn(window, to: to.slice(index * piece, piece), on: stream)
                    }
                    if let last { try await context.completed(last) }
                }
                up.append(Double(piece * count) / up_ms / 1e6)
                let within_ms = try await time_ms {
                    try await context.completed(context.clone(from, to: to, on: stream))
                }
                within.append(Double(piece * count) / within_ms / 1e6)
            }
            windows = []
            figures.add("h2d_ceiling_gbps", Percentiles(up)[1])
            figures.add("d2d_ceiling_gbps", Percentiles(within)[1])
            try await context.free(target)
            try await context.free(source)
        } catch {
            try? await context.close()
            throw error
        }
        try await context.close()
    }

    // MARK: Snapshots

    private func snapshots(_ context: CUDAContext, _ figures: inout Figures) async throws {
        let disk = try DirectorySnapshotStore(path: storePath)
        let id = try await disk.create(from: base, SnapshotOptions(name: "base", chunkBytes: sizes.chunkBytes)).id
        let other = try await disk.create(from: variant, SnapshotOptions(name: "variant", chunkBytes: sizes.chunkBytes))
            .id
        let memory = MemorySnapshotStore(quotaBytes: 2 * modelBytes + (64 << 20))
        for snapshot in [id, other] { try await disk.copy(snapshot, to: memory) }
        let ceiling = figures["h2d_ceiling_gbps"] ?? 0
        let (fromMemory, ready) = try await restores(id, memory, context, "a restore from memory", &figures)
        figures.add("restore_memory_gbps", fromMemory)
        figures.add("restore_to_ceiling", fromMemory / ceiling, atLeast: 0.9)
        if modelBytes >= 4_000_000_000 {
            figures.add("ready_ms_4gb_p50", ready, below: 100)
        } else {
            figures.notes.append("the snapshot has \(modelBytes) bytes, so there is no figure for 4 GB")
        }
        let (fromCache, cached) = try await restores(id, disk, context, "a restore from the page cache", &figures)
        figures.add("restore_page_cache_gbps", fromCache)
        figures.add("ready_ms_page_cache_p50", cached)
        try await cloneAndSwitch(id, other, memory, context, &figures)
    }

    /// Restores again and again, each time from nothing; the first, which pins the staging pool, does not count. Best GB/s
    /// and median milliseconds.
    private func restores(
        _ id: SnapshotID, _ store: any SnapshotStore, _ context: CUDAContext, _ what: String, _ figures: inout Figures
    ) async throws -> (gbps: Double, ready_ms: Double) {
        let restorer = Restorer(store: store, devices: [context])
        var (gbps, ready): ([Double], [Double]) = ([], [])
        for round in 0...sizes.restoreRounds {
            let resident = try await restorer.restore(
                id, RestoreOptions(parallelCount: sizes.workerCount, mayAttach: false, mayClone: false))
            if round > 0 {
                gbps.append(resident.report.gigabytesPerSecond)
                ready.append(resident.report.ready_ms)
            } else {
                figures.mismatches += try await mismatches(resident, base, context, what)
            }
            try await resident.close()
        }
        figures.count += ready.count
        return (Percentiles(gbps)[1], Percentiles(ready)[0.5])
    }

    private func cloneAndSwitch(
        _ id: SnapshotID, _ other: SnapshotID, _ store: any SnapshotStore, _ context: CUDAContext,
        _ figures: inout Figures
    ) async throws {
        let restorer = Restorer(store: store, devices: [context])
        let resident = try await restorer.restore(id)
        var clones: [Double] = []
        for round in 0..<sizes.restoreRounds {
            let clone = try await restorer.restore(id, RestoreOptions(mayAttach: false))
            guard clone.report.choice == .clone else { throw WrongChoice(wanted: .clone, taken: clone.report.choice) }
            clones.append(clone.report.gigabytesPerSecond)
            if round == 0 { figures.mismatches += try await mismatches(clone, base, context, "a clone") }
            try await clone.close()
        }
        figures.add("clone_gbps", Percentiles(clones)[1])
        figures.add("clone_to_ceiling", Percentiles(clones)[1] / (figures["d2d_ceiling_gbps"] ?? 0), atLeast: 0.8)
        var switches: [Double] = []
        for round in 0..<sizes.switchRounds {
            let report = try await resident.switch(to: round % 2 == 0 ? other : id)
            guard report.choice == .delta else { throw WrongChoice(wanted: .delta, taken: report.choice) }
            switches.append(report.ready_ms)
            guard round < 2 else { continue }
            figures.mismatches += try await mismatches(
                resident, round == 0 ? variant : base, context, "switch \(round + 1)")
        }
        figures.count += clones.count + switches.count
        figures.add("delta_switch_ms_p50", Percentiles(switches)[0.5], below: 5)
        figures.add("delta_switch_ms_p99", Percentiles(switches)[0.99])
        try await resident.close()
    }

    struct WrongChoice: Error, CustomStringConvertible {
        let wanted: RestoreChoice
        let taken: RestoreChoice
        var description: String { "the restore was a \(taken.rawValue), not the \(wanted.rawValue) to be measured" }
    }

    /// The regions that are not bit for bit what `source` gives, by checksums computed on the device.
    func mismatches(
        _ resident: Resident, _ source: PatternSource, _ context: CUDAContext, _ what: String
    ) async throws -> [String] {
        let stream = try await context.makeStream()
        var wrong: [String] = []
        for (region, checksum) in zip(source.regions, source.checksums()) {
            let range = try resident.range(of: region.name)
            if try await context.checksum(of: range, on: stream) != checksum {
                wrong.append("\(region.name) after \(what)")
            }
        }
        try await context.destroy(stream)
        return wrong
    }
}
