import Testing

@testable import GPUServeKit

/// What is resident: shared, copied, changed, lost.
@Suite struct ResidentTests {
    struct Setup {
        let fixture: RestoreFixture
        let context: HostContext
        let pool: HostMemoryPool
        let restorer: Restorer
        let variantRegions: [(RegionDescription, [UInt8])]
        let variant: SnapshotID

        /// A base and a variant with two other chunks.
        init() async throws {
            fixture = try await RestoreFixture()
            (context, pool) = try RestoreFixture.host()
            restorer = Restorer(store: fixture.disk, devices: [context])
            variantRegions = RestoreFixture.variant(of: fixture.regions, [(0, 9000), (4, 1)])
            variant = try await fixture.disk.create(
                from: RestoreFixture.source(variantRegions), RestoreFixture.options
            ).id
        }

        func changed() async throws -> [ChunkRef] {
            let manifest = try await fixture.disk.manifest(variant)
            let old = Set(fixture.snapshot.manifest.distinctChunks)
            return manifest.distinctChunks.filter { !old.contains($0) }
        }
    }

    @Test func `what is resident already is shared`() async throws {
        let setup = try await Setup()
        let first = try await setup.restorer.restore(setup.fixture.snapshot.id)
        let held = setup.pool.heldBytes
        let second = try await setup.restorer.restore(setup.fixture.snapshot.id)
        #expect(second.report.choice == .attach && second.report.bytesByTier.total == 0)
        #expect(try second.range(of: "r0") == first.range(of: "r0"))
        #expect(setup.pool.heldBytes == held)
        // Shared memory is not changed under the other holder.
        let error = await failure { try await second.switch(to: setup.variant) }
        #expect(error?.code == .residentBusy)
        try await first.expect(setup.fixture.regions)
    }

    @Test func `what another device holds is cloned, byte for byte`() async throws {
        let setup = try await Setup()
        let first = try await setup.restorer.restore(setup.fixture.snapshot.id)
        let (other, _) = try RestoreFixture.host(1)
        let restorer = Restorer(store: setup.fixture.disk, devices: [other])
        restorer.learn(of: first)
        // The disk could not give it any more.
        try setup.fixture.damage(setup.fixture.snapshot.manifest.distinctChunks[0])
        let clone = try await restorer.restore(setup.fixture.snapshot.id)
        #expect(clone.report.choice == .clone)
        try await clone.expect(setup.fixture.regions)
        // The clone is its own.
        try await first.close()
        try await clone.expect(setup.fixture.regions)
    }

    @Test func `a clone is checked, and what is wrong in its source comes from the store`() async throws {
        let setup = try await Setup()
        let first = try await setup.restorer.restore(setup.fixture.snapshot.id)
        // Somebody wrote to the resident's memory.
        try #require(try first.window(of: "r4")).withBytes { $0[9000] ^= 1 }
        let (other, pool) = try RestoreFixture.host(1)
        let restorer = Restorer(store: setup.fixture.disk, devices: [other])
        restorer.learn(of: first)
        let unchecked = try await restorer.restore(
            setup.fixture.snapshot.id, RestoreOptions(verifiesClones: false, mayAttach: false))
        #expect(try await unchecked.bytes(of: "r4") == first.bytes(of: "r4"))
        let hostPart = RestorePlanner.hostChunks(of: setup.fixture.snapshot.manifest, over: nil)
        #expect(unchecked.report.verifiedChunkCount == hostPart.count)
        try await unchecked.close()
        let clone = try await restorer.restore(setup.fixture.snapshot.id, RestoreOptions(mayAttach: false))
        #expect(clone.report.choice == .clone)
        #expect(clone.report.incidents.map(\.code) == [.chunkCorrupt])
        #expect(clone.report.verifiedChunkCount == setup.fixture.snapshot.chunkCount)
        try await clone.expect(setup.fixture.regions)
        try await clone.close()
        // With the store damaged as well there is nothing to take it from.
        let chunk = setup.fixture.snapshot.manifest.regions[4].content.chunks[1]
        try setup.fixture.damage(chunk)
        let error = await failure {
            _ = try await restorer.restore(setup.fixture.snapshot.id, RestoreOptions(mayAttach: false))
        }
        #expect(error?.code == .chunkCorrupt && error?.chunk == chunk.hash)
        await pool.expectEmpty()
    }

    @Test func `a variant takes its base's place by what differs, and back`() async throws {
        let setup = try await Setup()
        let resident = try await setup.restorer.restore(setup.fixture.snapshot.id)
        let before = try resident.range(of: "r0")
        let report = try await resident.switch(to: setup.variant)
        #expect(report.choice == .delta)
        #expect(report.verifiedChunkCount == 2)
        #expect(report.bytesByTier.total == 2 * RestoreFixture.chunkBytes)
        #expect(try resident.snapshot() == setup.variant)
        #expect(try resident.range(of: "r0") == before)
        try await resident.expect(setup.variantRegions)
        #expect(try await resident.switch(to: setup.variant).choice == .attach)
        try await resident.switch(to: setup.fixture.snapshot.id)
        try await resident.expect(setup.fixture.regions)
    }

    @Test func `a delta that fails puts its base back and says so`() async throws {
        let setup = try await Setup()
        let resident = try await setup.restorer.restore(setup.fixture.snapshot.id)
        var damaged: Set<ContentHash> = []
        for chunk in try await setup.changed() {
            try setup.fixture.damage(chunk)
            damaged.insert(chunk.hash)
            let error = await failure { try await resident.switch(to: setup.variant) }
            #expect(error?.code == .chunkCorrupt && error?.base == .putBack)
            #expect(error?.chunk.map { damaged.contains($0) } == true)
            #expect(try resident.snapshot() == setup.fixture.snapshot.id)
            try await resident.expect(setup.fixture.regions)
        }
    }

    @Test func `a delta refused in advance leaves the base untouched`() async throws {
        let setup = try await Setup()
        let resident = try await setup.restorer.restore(setup.fixture.snapshot.id)
        let other = try await setup.fixture.disk.create(
            from: DirectoryStoreTests.source(3), RestoreFixture.options
        ).id
        let error = await failure { try await resident.switch(to: other) }
        #expect(error?.code == .layoutDiffers && error?.base == .untouched)
        try await resident.expect(setup.fixture.regions)
        let none = SnapshotID(ContentHash(of: []))
        #expect(await failure { try await resident.switch(to: none) }?.base == .untouched)
    }

    @Test func `a base that cannot be put back is lost, and nothing of it is ready`() async throws {
        let setup = try await Setup()
        let resident = try await setup.restorer.restore(setup.fixture.snapshot.id)
        let manifest = try await setup.fixture.disk.manifest(setup.variant)
        // One of the base's chunks that the variant replaces, and the variant's last.
        let replaced = try #require(
            setup.fixture.snapshot.manifest.distinctChunks.first { !manifest.distinctChunks.contains($0) })
        try setup.fixture.damage(replaced)
        try setup.fixture.damage(try #require(try await setup.changed().last))
        let error = await failure { try await resident.switch(to: setup.variant) }
        #expect(error?.base == .lost)
        #expect(await failure { _ = try resident.range(of: "r0") }?.code == .residentLost)
        #expect(await failure { try await resident.switch(to: setup.variant) }?.code == .residentLost)
        // A restore does not attach to it.
        try setup.fixture.damage(replaced)
        let again = try await setup.restorer.restore(setup.fixture.snapshot.id)
        #expect(again.report.choice == .full)
        try await again.expect(setup.fixture.regions)
    }

    @Test func `a manifest is remembered, and a deleted snapshot is missing all the same`() async throws {
        let setup = try await Setup()
        let resident = try await setup.restorer.restore(setup.fixture.snapshot.id)
        try await resident.switch(to: setup.variant)
        try await resident.switch(to: setup.fixture.snapshot.id)
        try await setup.fixture.disk.delete(setup.variant)
        let error = await failure { try await resident.switch(to: setup.variant) }
        #expect(error?.store?.code == .snapshotMissing && error?.base == .untouched)
    }

    @Test func `a cancelled delta puts its base back`() async throws {
        let setup = try await Setup()
        let resident = try await setup.restorer.restore(setup.fixture.snapshot.id)
        let task = Task { try await resident.switch(to: setup.variant, RestoreOptions(parallelCount: 1)) }
        task.cancel()
        let error = await failure { _ = try await task.value }
        if let error {
            #expect(error.code == .cancelled && error.base != .lost)
            try await resident.expect(setup.fixture.regions)
        } else {
            try await resident.expect(setup.variantRegions)
        }
    }

    @Test func `a hundred variants in turn are each byte for byte right`() async throws {
        let setup = try await Setup()
        let resident = try await setup.restorer.restore(setup.fixture.snapshot.id)
        var variants: [(SnapshotID, [(RegionDescription, [UInt8])])] = []
        for number in 0..<100 {
            let place =
                number % 5 == 3
                ? (2, number % 100) : (number % 5, number * 70 % 8000 % [20_000, 8192, 100, 1, 40_960][number % 5])
            let regions = RestoreFixture.variant(of: setup.fixture.regions, [place, (5, number)])
            let made = try await setup.fixture.disk.create(
                from: RestoreFixture.source(regions), RestoreFixture.options)
            variants.append((made.id, regions))
        }
        for (id, regions) in variants {
            try await resident.switch(to: id)
            try await resident.expect(regions)
        }
    }

    // MARK: Several devices

    static func shardedRegions() -> [(RegionDescription, [UInt8])] {
        [(0, [64, 500], "a"), (1, [16, 2000], "b"), (nil, [9000], "c"), (2, [4, 8, 1024], "d")].map {
            (axis: Int?, shape: [Int], name: String) in
            let count = shape.reduce(1, *)
            return (
                RegionDescription(name: name, dtype: .bytes, shape: shape, byteCount: count, shardAxis: axis),
                TestBytes.random(count: count, seed: UInt64(name.utf8.first!))
            )
        }
    }

    /// A device's part, cut by hand: rows of the axis, one element at a time.
    static func part(_ region: RegionDescription, _ bytes: [UInt8], _ device: Int, _ count: Int) -> [UInt8] {
        guard let axis = region.shardAxis else { return bytes }
        let inner = region.shape[(axis + 1)...].reduce(1, *)
        let dimension = region.shape[axis]
        return bytes.indices.filter { ($0 / inner % dimension) / (dimension / count) == device }.map { bytes[$0] }
    }

    @Test func `four devices hold the shards byte for byte, and any other number restores their snapshot`() async throws
    {
        let fixture = try await RestoreFixture()
        let regions = Self.shardedRegions()
        let made = try await fixture.disk.create(from: MemorySource(regions), RestoreFixture.options)
        var id = made.id
        for count in [4, 2, 1, 4] {
            let contexts = try (0..<count).map { try RestoreFixture.host($0).context }
            let restorer = Restorer(store: fixture.disk, devices: contexts)
            let resident = try await restorer.restore(id)
            #expect(resident.report.bytesByTier.total == made.manifest.byteCount, "each chunk is read once")
            for device in 0..<count {
                for (description, bytes) in regions {
                    let found = try await resident.bytes(of: description.name, on: device)
                    #expect(
                        found == Self.part(description, bytes, device, count), "\(description.name) \(device)/\(count)")
                }
            }
            // Taken again from the shards, it has the same chunks.
            let again = try await fixture.disk.create(from: ResidentSource(resident), RestoreFixture.options)
            #expect(again.storedChunkCount == 0)
            #expect(again.manifest.regions == made.manifest.regions)
            id = again.id
        }
        let three = try (0..<3).map { try RestoreFixture.host($0).context }
        let error = await failure { _ = try await Restorer(store: fixture.disk, devices: three).restore(made.id) }
        #expect(error?.code == .shardMismatch)
    }

    @Test func `shards are switched and cloned like whole models`() async throws {
        let fixture = try await RestoreFixture()
        let regions = Self.shardedRegions()
        let base = try await fixture.disk.create(from: MemorySource(regions), RestoreFixture.options)
        let changed = RestoreFixture.variant(of: regions, [(1, 20_000), (2, 5)])
        let variant = try await fixture.disk.create(from: MemorySource(changed), RestoreFixture.options)
        let contexts = try (0..<4).map { try RestoreFixture.host($0).context }
        let resident = try await Restorer(store: fixture.disk, devices: contexts).restore(base.id)
        #expect(try await resident.switch(to: variant.id).verifiedChunkCount == 2)
        let others = try (4..<8).map { try RestoreFixture.host($0).context }
        let restorer = Restorer(store: fixture.disk, devices: others)
        restorer.learn(of: resident)
        let clone = try await restorer.restore(variant.id)
        #expect(clone.report.choice == .clone)
        for holder in [resident, clone] {
            for device in 0..<4 {
                for (description, bytes) in changed {
                    let found = try await holder.bytes(of: description.name, on: device)
                    #expect(found == Self.part(description, bytes, device, 4))
                }
            }
        }
    }
}
