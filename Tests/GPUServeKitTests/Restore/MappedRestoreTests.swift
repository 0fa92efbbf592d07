import Glibc
import Testing

@testable import GPUServeKit

/// Restores that take the page cache's pages instead of copying them.
@Suite struct MappedRestoreTests {
    private static func host() throws -> HostContext {
        var configuration = HostMemoryPool.Configuration()
        configuration.mapsFiles = true
        return try HostContext(pool: HostMemoryPool(configuration))
    }

    /// Lines of /proc/self/maps for a pack, and the bytes they map.
    private static func mapped(_ pack: String) throws -> Int {
        let stream = try #require(fopen("/proc/self/maps", "r"))
        defer { fclose(stream) }
        var (line, sum) = ([CChar](repeating: 0, count: 8192), 0)
        while fgets(&line, 8192, stream) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            guard text.contains(pack) else { continue }
            let ends = text.prefix { $0 != " " }.split(separator: "-").compactMap { Int($0, radix: 16) }
            sum += ends[1] - ends[0]
        }
        return sum
    }

    @Test func `pages of the pack are the arena's, and writing to them leaves the pack as it was`() async throws {
        let fixture = try await RestoreFixture()
        let restorer = Restorer(store: fixture.disk, devices: [try Self.host()])
        let resident = try await restorer.restore(fixture.snapshot.id)
        try await resident.expect(fixture.regions)
        #expect(resident.report.verifiedChunkCount == fixture.snapshot.chunkCount)
        let pack = try #require(fixture.packs.first)
        #expect(try Self.mapped(pack) >= RestoreFixture.lengths.reduce(0, +))

        let before = ScratchDirectory.read(pack)
        let changed = RestoreFixture.variant(of: fixture.regions, [(0, 9000), (4, 1)])
        let variant = try await fixture.disk.create(from: RestoreFixture.source(changed), RestoreFixture.options)
        try await resident.switch(to: variant.id)
        try await resident.expect(changed)
        try #require(try resident.window(of: "r1")).withBytes { $0[7] ^= 1 }
        try await resident.switch(to: fixture.snapshot.id)
        #expect(ScratchDirectory.read(pack) == before)
        try await resident.close()
        #expect(try Self.mapped(pack) == 0, "closed, nothing is mapped")
    }

    @Test func `a snapshot known to be there is mapped again without reading its manifest`() async throws {
        let fixture = try await RestoreFixture()
        let store = TieredSnapshotStore([MemorySnapshotStore(quotaBytes: .max), fixture.disk], home: 0)
        let restorer = Restorer(store: store, devices: [try Self.host()])
        try await restorer.restore(fixture.snapshot.id).close()
        // Its name vouches for what was read before; only that it is still there is looked at.
        let manifest = fixture.disk.path + "/snapshots/\(fixture.snapshot.id).json"
        let before = ScratchDirectory.read(manifest)
        ScratchDirectory.write([], to: manifest)
        let resident = try await restorer.restore(fixture.snapshot.id)
        try await resident.expect(fixture.regions)
        let windows = try resident.windows()
        #expect(windows.map(\.description.name) == fixture.snapshot.manifest.regions.map(\.name))
        for (description, window) in windows {
            #expect(window?.base == (try resident.window(of: description.name))?.base)
        }
        ScratchDirectory.write(before, to: manifest)
        try await resident.close()
        try await fixture.disk.delete(fixture.snapshot.id)
        let error = await #expect(throws: RestoreError.self) { try await restorer.restore(fixture.snapshot.id) }
        #expect(error?.code == .snapshotUnavailable)
    }

    @Test func `a damaged chunk is found, and no damage is left in memory`() async throws {
        let fixture = try await RestoreFixture()
        let chunk = try #require(fixture.snapshot.manifest.distinctChunks.first)
        try fixture.damage(chunk)
        let restorer = Restorer(store: fixture.disk, devices: [try Self.host()])
        let error = await #expect(throws: RestoreError.self) { try await restorer.restore(fixture.snapshot.id) }
        #expect(error?.chunk == chunk.hash)
    }
}
