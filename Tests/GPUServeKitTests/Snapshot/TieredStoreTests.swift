import GPUServeKitTesting
import Testing

@testable import GPUServeKit

/// Several stores as one.
@Suite struct TieredStoreTests {
    static let options = DirectoryStoreTests.options()

    @Test func `memory over disk conforms`() async throws {
        let scratch = try ScratchDirectory()
        var count = 0
        try await checkSnapshotStore {
            count += 1
            let disk = try DirectorySnapshotStore(path: "\(scratch.path)/\(count)")
            return TieredSnapshotStore([MemorySnapshotStore(quotaBytes: 1 << 20), disk], home: 1)
        }
    }

    @Test func `a corrupt chunk comes from the next tier, and that is told`() async throws {
        let scratch = try ScratchDirectory()
        let disk = try DirectorySnapshotStore(path: scratch.path)
        let far = FakeObjectStore().store()
        let made = try await disk.create(from: DirectoryStoreTests.source(1), Self.options)
        try await disk.copy(made.id, to: far)
        let pack = try #require(ScratchDirectory.names(scratch.path + "/packs").first { $0.hasSuffix(".pack") })
        var bytes = ScratchDirectory.read(scratch.path + "/packs/" + pack)
        bytes[100] ^= 4
        ScratchDirectory.write(bytes, to: scratch.path + "/packs/" + pack)
        let tiers = TieredSnapshotStore([MemorySnapshotStore(quotaBytes: 1 << 20), disk, far], home: 1)
        #expect(try await tiers.verify(made.id) == [])
        #expect(tiers.incidents.count == 1)
        #expect(tiers.incidents.last.first?.error.code == .chunkCorrupt)
        #expect(tiers.incidents.last.first?.tier == disk.name)
    }

    @Test func `many waiters share one download`() async throws {
        let fake = FakeObjectStore()
        let far = fake.store()
        let made = try await far.create(from: DirectoryStoreTests.source(1), Self.options)
        let before = fake.requests.count
        let tiers = TieredSnapshotStore([MemorySnapshotStore(quotaBytes: 1 << 20), far], home: 1)
        let chunk = made.manifest.distinctChunks[0]
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    let buffer = PageBuffer(byteCount: chunk.byteCount)
                    defer { withExtendedLifetime(buffer) {} }
                    try await tiers.read(chunk, into: buffer.memory)
                }
            }
            try await group.waitForAll()
        }
        #expect(fake.requests.count - before <= 2, "20 readers made \(fake.requests.count - before) requests")
    }

    @Test func `memory keeps what came from afar, as far as there is room`() async throws {
        let fake = FakeObjectStore()
        let far = fake.store()
        let made = try await far.create(from: DirectoryStoreTests.source(1), Self.options)
        let memory = MemorySnapshotStore(quotaBytes: 10_000)
        let tiers = TieredSnapshotStore([memory, far], home: 1)
        #expect(try await tiers.verify(made.id) == [])
        #expect(memory.storedBytes > 0 && memory.storedBytes <= 10_000)
        let before = fake.requests.count
        let last = try #require(made.manifest.distinctChunks.last)
        let buffer = PageBuffer(byteCount: last.byteCount)
        defer { withExtendedLifetime(buffer) {} }
        try await tiers.read(last, into: buffer.memory)
        #expect(fake.requests.count == before, "it was kept")
    }

    @Test func `snapshots are promoted and demoted whole`() async throws {
        let scratch = try ScratchDirectory()
        let disk = try DirectorySnapshotStore(path: scratch.path)
        let memory = MemorySnapshotStore(quotaBytes: 1 << 20)
        let tiers = TieredSnapshotStore([memory, disk], home: 0)
        let made = try await tiers.create(from: DirectoryStoreTests.source(1), Self.options)
        #expect(await tiers.tiersHolding(made.id) == [0])
        try await tiers.demote(made.id, from: 0)
        #expect(await tiers.tiersHolding(made.id) == [1])
        #expect(memory.storedBytes == 0)
        try await tiers.promote(made.id, to: 0)
        #expect(await tiers.tiersHolding(made.id) == [0, 1])
        #expect(try await tiers.list().count == 1)
        await #expect(throws: SnapshotError.self) { try await tiers.demote(made.id, from: 1) }
        try await tiers.delete(made.id)
        #expect(try await tiers.list() == [])
    }
}
