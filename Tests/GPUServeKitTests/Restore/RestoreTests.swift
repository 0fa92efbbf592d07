import Synchronization
import Testing
import Transport

@testable import GPUServeKit

/// Restores onto the host, from every kind of store.
@Suite struct RestoreTests {
    @Test func `a snapshot in a directory comes back byte for byte, verified, with a report`() async throws {
        let fixture = try await RestoreFixture()
        let (context, pool) = try RestoreFixture.host()
        let restorer = Restorer(store: fixture.disk, devices: [context])
        let plan = try await restorer.plan(fixture.snapshot.id)
        #expect(plan.choice == .full)
        #expect(plan.regions.first == "r5", "in order of need")
        #expect(plan.predicted_ms > 0 && plan.predictedFirstRegion_ms <= plan.predicted_ms)
        let resident = try await restorer.restore(fixture.snapshot.id)
        try await resident.expect(fixture.regions)
        #expect(resident.hostState == Array("state".utf8))
        #expect(resident.modules.map(\.name) == ["code"])
        let report = resident.report
        #expect(report.choice == .full)
        #expect(report.verifiedChunkCount == fixture.snapshot.chunkCount)
        #expect(report.bytesByTier.total == plan.bytesByTier.total)
        #expect(report.bytesByTier.total == fixture.snapshot.manifest.byteCount)
        #expect(report.firstRegion_ms <= report.ready_ms && report.planned_ms <= report.ready_ms)
        #expect(report.incidents == [])
        #expect(try resident.snapshot() == fixture.snapshot.id)
        try await resident.close()
        await pool.expectEmpty()
        #expect(await failure { _ = try resident.range(of: "r0") }?.code == .residentLost)
    }

    @Test func `a dropped resident gives its memory back`() async throws {
        let fixture = try await RestoreFixture()
        let (context, pool) = try RestoreFixture.host()
        let restorer = Restorer(store: fixture.disk, devices: [context])
        do {
            let resident = try await restorer.restore(fixture.snapshot.id)
            #expect(pool.heldBytes > 0)
            withExtendedLifetime(resident) {}
        }
        await pool.expectEmpty()
    }

    @Test func `memory, tiers and object stores give the same bytes`() async throws {
        let fixture = try await RestoreFixture()
        let memory = MemorySnapshotStore(quotaBytes: 1 << 20)
        try await fixture.disk.copy(fixture.snapshot.id, to: memory)
        let far = FakeObjectStore().store()
        try await fixture.disk.copy(fixture.snapshot.id, to: far)
        let tiered = TieredSnapshotStore([MemorySnapshotStore(quotaBytes: 1 << 20), fixture.disk, far], home: 1)
        let stores: [(any SnapshotStore, RestoreTier)] = [(memory, .memory), (far, .remote), (tiered, .pageCache)]
        for (store, tier) in stores {
            let (context, _) = try RestoreFixture.host()
            let resident = try await Restorer(store: store, devices: [context]).restore(fixture.snapshot.id)
            try await resident.expect(fixture.regions)
            #expect(resident.report.bytesByTier[tier] == fixture.snapshot.manifest.byteCount, "\(store.name)")
        }
    }

    @Test func `regions get ready one by one`() async throws {
        let fixture = try await RestoreFixture()
        let (context, _) = try RestoreFixture.host()
        let restore = try await Restorer(store: fixture.disk, devices: [context]).start(fixture.snapshot.id)
        let range = try await restore.ready("r5")
        let window = try #require(try context.hostWindow(of: range))
        #expect(window.withBytes { Array($0) } == fixture.regions[5].1)
        _ = try await restore.ready("r3")
        let resident = try await restore.resident()
        #expect(restore.isReady("r0") && restore.doneBytes == restore.plan.bytesByTier.total)
        try await resident.expect(fixture.regions)
        #expect(await failure { _ = try await restore.ready("none") }?.code == .invalidArgument)
    }

    // MARK: Damage

    @Test func `whichever chunk is damaged, it is named and nothing is left`() async throws {
        for chunk in try await RestoreFixture().snapshot.manifest.distinctChunks {
            let fixture = try await RestoreFixture()
            try fixture.damage(chunk)
            let (context, pool) = try RestoreFixture.host()
            let restorer = Restorer(store: fixture.disk, devices: [context])
            let error = await failure { _ = try await restorer.restore(fixture.snapshot.id) }
            #expect(error?.code == .chunkCorrupt)
            #expect(error?.chunk == chunk.hash)
            await pool.expectEmpty()
        }
    }

    @Test func `a damaged chunk comes from the next tier`() async throws {
        let fixture = try await RestoreFixture()
        let far = FakeObjectStore().store()
        try await fixture.disk.copy(fixture.snapshot.id, to: far)
        let chunks = fixture.snapshot.manifest.distinctChunks
        try fixture.damage(chunks[1])
        let (context, _) = try RestoreFixture.host()
        let tiered = TieredSnapshotStore([fixture.disk, far], home: 0)
        let resident = try await Restorer(store: tiered, devices: [context]).restore(fixture.snapshot.id)
        try await resident.expect(fixture.regions)
        #expect(resident.report.incidents.map(\.code) == [.chunkCorrupt])
        #expect(resident.report.bytesByTier[.remote] == chunks[1].byteCount)
    }

    @Test func `a missing chunk refuses the restore before anything moves`() async throws {
        let fixture = try await RestoreFixture()
        let index = fixture.packs[0].dropLast(5) + ".index"
        let kept = fixture.snapshot.manifest.distinctChunks
        let memory = MemorySnapshotStore(quotaBytes: 1 << 20)
        try await fixture.disk.copy(fixture.snapshot.id, to: memory)
        ScratchDirectory.write(Array("damaged".utf8), to: String(index))
        let (context, pool) = try RestoreFixture.host()
        let reopened = try DirectorySnapshotStore(path: fixture.disk.path)
        let restorer = Restorer(store: reopened, devices: [context])
        let error = await failure { _ = try await restorer.restore(fixture.snapshot.id) }
        #expect(error?.code == .chunkMissing)
        #expect(kept.contains { $0.hash == error?.chunk })
        #expect(pool.heldBytes == 0 && pool.idleBytes == 0, "no memory was made")
        // The other tier has them all.
        let tiered = TieredSnapshotStore([reopened, memory], home: 1)
        try await Restorer(store: tiered, devices: [context]).restore(fixture.snapshot.id).expect(fixture.regions)
    }

    @Test func `no region is ready whose chunk failed, and waiting for one fails by name`() async throws {
        let fixture = try await RestoreFixture()
        let last = try #require(fixture.snapshot.manifest.regions[0].content.chunks.last)
        try fixture.damage(last)
        let (context, _) = try RestoreFixture.host()
        let restore = try await Restorer(store: fixture.disk, devices: [context]).start(fixture.snapshot.id)
        #expect(await failure { _ = try await restore.ready("r0") }?.chunk == last.hash)
        #expect(await failure { _ = try await restore.resident() }?.chunk == last.hash)
        for name in restore.plan.regions { #expect(!restore.isReady(name)) }
    }

    // MARK: Cancellation

    @Test func `a cancelled restore gives everything back, wherever it was`() async throws {
        let fixture = try await RestoreFixture()
        for count in 0..<12 {
            let (context, pool) = try RestoreFixture.host()
            let restorer = Restorer(store: fixture.disk, devices: [context])
            let holder = Lock<(Restore?, Int)>((nil, 0))
            var options = RestoreOptions(parallelCount: 1)
            options.progress = { _, _ in
                let restore = holder.withLock { state -> Restore? in
                    state.1 += 1
                    return state.1 == count ? state.0 : nil
                }
                restore?.cancel()
            }
            let restore = try await restorer.start(fixture.snapshot.id, options)
            holder.withLock { $0.0 = restore }
            if count == 0 { restore.cancel() }
            let error = await failure { try await restore.resident().expect(fixture.regions) }
            #expect(error == nil || error?.code == .cancelled)
            holder.withLock { $0.0 = nil }
            if error != nil { await pool.expectEmpty() }
        }
    }
}
