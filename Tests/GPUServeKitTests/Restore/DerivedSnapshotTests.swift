import GPUServeKitTesting
import Testing

@testable import GPUServeKit

/// Snapshots made of another by the bytes of a few regions.
@Suite struct DerivedSnapshotTests {
    private let fixture: RestoreFixture
    private let memory: MemorySnapshotStore
    private let tiers: TieredSnapshotStore
    /// One byte of r0's second chunk, and all of r2.
    private let changed: [(RegionDescription, [UInt8])]

    init() async throws {
        fixture = try await RestoreFixture()
        memory = MemorySnapshotStore(quotaBytes: 1 << 20, over: fixture.disk)
        tiers = TieredSnapshotStore([memory, fixture.disk], home: 0)
        changed = RestoreFixture.variant(of: fixture.regions, [(0, 9000), (2, 50)])
    }

    private var bytes: [String: [UInt8]] { ["r0": changed[0].1, "r2": changed[2].1] }

    private func derive(_ bytes: [String: [UInt8]], in store: any SnapshotStore) async throws -> SnapshotTransfer {
        try await store.derive(from: fixture.snapshot.manifest, replacing: bytes, SnapshotOptions(name: "variant"))
    }

    @Test func `a derived snapshot is the one that the whole makes`() async throws {
        let derived = try await derive(bytes, in: fixture.disk)
        #expect(derived.storedChunkCount == 2)
        let whole = try await fixture.disk.create(
            from: RestoreFixture.source(changed),
            SnapshotOptions(name: "variant", chunkBytes: RestoreFixture.chunkBytes))
        #expect(whole.id == derived.id && whole.storedChunkCount == 0)
    }

    @Test func `one in memory over the disk keeps only what differs there, and is switched to`() async throws {
        let derived = try await derive(bytes, in: tiers)
        #expect(memory.storedBytes == RestoreFixture.chunkBytes + 100)
        let host = try RestoreFixture.host()
        let restorer = Restorer(store: tiers, devices: [host.context])
        let resident = try await restorer.restore(fixture.snapshot.id)
        let report = try await resident.switch(to: derived.id)
        #expect(report.bytesByTier[.memory] == RestoreFixture.chunkBytes + 100)
        try await resident.expect(changed)
        try await resident.switch(to: fixture.snapshot.id)
        try await resident.expect(fixture.regions)
        try await memory.delete(derived.id)
        try await memory.collectGarbage()
        #expect(memory.storedBytes == 0)
    }

    @Test func `memory over a disk that lacks a chunk refuses`() async throws {
        let other = MemorySnapshotStore(quotaBytes: 1 << 20, over: MemorySnapshotStore(quotaBytes: 0))
        await #expect(throws: SnapshotError.self) { try await derive(bytes, in: other) }
        #expect(try await other.list() == [])
    }

    @Test(arguments: [("r9", 100), ("r0", 100)])
    func `regions that do not fit are named`(name: String, count: Int) async throws {
        let error = await #expect(throws: SnapshotError.self) {
            try await derive([name: [UInt8](repeating: 0, count: count)], in: fixture.disk)
        }
        #expect(error?.code == .invalidArgument)
        #expect(error?.detail.contains("'\(name)' of 100 bytes") == true)
    }
}
