import BenchSupport
import CFakeCuda
import Testing

@testable import GPUServeKit
@testable import bench_gpu

extension FakeDriverTests {
    /// `make bench-gpu` takes every step over the fake driver. What it measures there is nobody's figure.
    @Suite struct GPUBenchTests {
        static let sizes = GPUMeasurements.Sizes(
            regionBytes: 64 << 10, regionCount: 4, chunkBytes: 8192, pieceBytes: 16 << 10, pieceCount: 3,
            restoreRounds: 2, switchRounds: 4, contextRounds: 2, poolRounds: 3)

        @Test func `every step is taken, all is bit-exact and the device is left as it was`() async throws {
            let scratch = try ScratchDirectory()
            let driver = try start()
            let figures = try await GPUMeasurements(
                driver: driver, ordinal: 0, sizes: Self.sizes, storePath: scratch.path + "/store"
            ).run()
            #expect(figures.mismatches == [])
            #expect(
                figures.all.map(\.name) == [
                    "context_fresh_ms_p50", "context_pool_ms_p50", "context_pool_ms_p99", "h2d_ceiling_gbps",
                    "d2d_ceiling_gbps", "restore_memory_gbps", "restore_to_ceiling", "restore_page_cache_gbps",
                    "ready_ms_page_cache_p50", "clone_gbps", "clone_to_ceiling", "delta_switch_ms_p50",
                    "delta_switch_ms_p99", "mismatched_regions",
                ])
            #expect(figures.all.allSatisfy { $0.value.isFinite && $0.value >= 0 })
            #expect(figures.notes.count == 1, "there is no figure for 4 GB of 256 KiB")
            #expect(figures.device.hasPrefix("Fake GPU 0"))
            // Contexts of the pool end on tasks of their own.
            while fake_cuda_live().contexts > 0 { await Task.yield() }
            expectNothingLeft()
        }

        @Test func `a device that holds other bytes is found out`() async throws {
            let scratch = try ScratchDirectory()
            let driver = try start()
            let context = try await CUDAContext.make(driver: driver)
            let measurements = GPUMeasurements(
                driver: driver, ordinal: 0, sizes: Self.sizes, storePath: scratch.path + "/store")
            let store = try DirectorySnapshotStore(path: measurements.storePath)
            let source = PatternSource(regionCount: 4, regionBytes: 64 << 10, seed: 1)
            let id = try await store.create(from: source, SnapshotOptions(name: "m", chunkBytes: 8192)).id
            let resident = try await Restorer(store: store, devices: [context]).restore(id)
            #expect(try await measurements.mismatches(resident, source, context, "a test") == [])
            // One word of one region.
            let stream = try await context.makeStream()
            let word = try resident.range(of: "layers.2").slice(4096, 8)
            try await context.completed(context.fill(word, with: 1, on: stream))
            #expect(try await measurements.mismatches(resident, source, context, "a test") == ["layers.2 after a test"])
            try await resident.close()
            try await end(context)
        }

        @Test func `a variant differs in as many chunks as it says`() async throws {
            let base = PatternSource(regionCount: 4, regionBytes: 64 << 10, seed: 1)
            let store = MemorySnapshotStore(quotaBytes: 1 << 20)
            let options = SnapshotOptions(name: "m", chunkBytes: 8192)
            try await store.create(from: base, options)
            for count in [1, 3, 16, 32] {
                let variant = PatternSource(
                    regionCount: 4, regionBytes: 64 << 10, seed: 1, chunkBytes: 8192, changedChunks: count)
                #expect(zip(base.checksums(), variant.checksums()).count { $0 != $1 } == min(count, 4))
                let fresh = MemorySnapshotStore(quotaBytes: 1 << 20)
                try await fresh.create(from: base, options)
                #expect(try await fresh.create(from: variant, options).storedChunkCount == count)
            }
        }
    }
}
