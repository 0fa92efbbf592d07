import Glibc
import Testing
import Wire

@testable import GPUServeKit

/// Damaged chunks are put back in their place.
@Suite struct RepairTests {
    private let scratch: ScratchDirectory
    private let store: DirectorySnapshotStore
    private let far = MemorySnapshotStore(quotaBytes: 1 << 20)
    private let made: SnapshotTransfer
    private let pack: String

    init() async throws {
        scratch = try ScratchDirectory()
        store = try DirectorySnapshotStore(path: scratch.path)
        made = try await store.create(from: DirectoryStoreTests.source(1), DirectoryStoreTests.options())
        try await store.copy(made.id, to: far)
        let name = try #require(ScratchDirectory.names(scratch.path + "/packs").first { $0.hasSuffix(".pack") })
        pack = scratch.path + "/packs/" + name
    }

    /// Flips a bit of each of the first chunks, which lie 4,096 bytes apart.
    private func damage(chunks count: Int) {
        var bytes = ScratchDirectory.read(pack)
        for index in 0..<count { bytes[index * 4096 + 17] ^= 4 }
        ScratchDirectory.write(bytes, to: pack)
    }

    @Test func `what is damaged is named with pack and offset`() async throws {
        damage(chunks: 2)
        let problems = try await store.verify(made.id)
        #expect(problems.map(\.code) == [.chunkCorrupt, .chunkCorrupt])
        #expect(problems.map(\.file) == [pack, pack])
        #expect(Set(problems.map(\.offset)) == [0, 4096])
    }

    @Test func `a read through tiers puts a damaged chunk back`() async throws {
        damage(chunks: 2)
        let tiers = TieredSnapshotStore([store, far], home: 0)
        #expect(try await tiers.verify(made.id) == [])
        #expect(tiers.incidents.count == 2)
        #expect(try await DirectorySnapshotStore(path: scratch.path).verify(made.id) == [])
    }

    @Test func `a pull brings again what was found damaged, and nothing else`() async throws {
        damage(chunks: 2)
        #expect(try await store.verify(made.id).count == 2)
        let pulled = try await far.copy(made.id, to: store)
        #expect(pulled.storedChunkCount == 2)
        #expect(try await DirectorySnapshotStore(path: scratch.path).verify(made.id) == [])
    }

    @Test func `a put of a chunk that is there and damaged replaces it, found before or not`() async throws {
        damage(chunks: 3)
        let again = try await store.create(from: DirectoryStoreTests.source(1), DirectoryStoreTests.options("t"))
        #expect(again.storedChunkCount == 3)
        #expect(try await DirectorySnapshotStore(path: scratch.path).verify(made.id) == [])
        #expect(try await store.verify(again.id) == [])
    }

    @Test func `a repair with other bytes is refused`() async throws {
        damage(chunks: 1)
        let chunk = made.manifest.distinctChunks[0]
        let wrong = [UInt8](repeating: 7, count: chunk.byteCount)
        let buffer = PageBuffer(byteCount: chunk.byteCount)
        defer { withExtendedLifetime(buffer) {} }
        buffer.memory.buffer.copyBytes(from: wrong)
        await #expect { try await store.repair(chunk, Memory(buffer.memory[0..<chunk.byteCount])) } throws: {
            ($0 as? SnapshotError)?.code == .chunkCorrupt
        }
        #expect(try await store.verify(made.id).count == 1)
    }

    @Test func `a disk full at any write of a repair leaves it to be repaired`() async throws {
        damage(chunks: 2)
        for call in 0... {
            let files = FaultyStoreFiles(failingAfter: call)
            let faulty = try DirectorySnapshotStore(
                path: scratch.path, quotaBytes: nil, limits: .standard, files: files)
            do {
                _ = try await faulty.verify(made.id)
                try await far.copy(made.id, to: faulty)
            } catch {
                #expect(error.code == .storeFull, "call \(call): \(error)")
            }
            // Damaged chunks and no others, or none.
            let left = try await store.verify(made.id)
            #expect(left.allSatisfy { $0.code == .chunkCorrupt && ($0.offset ?? 9999) <= 4096 }, "call \(call)")
            if !files.hasFailed {
                #expect(left == [])
                break
            }
        }
    }

    @Test func `a rehearsed collection counts what the real one then removes`() async throws {
        let other = try await store.create(from: DirectoryStoreTests.source(2), DirectoryStoreTests.options("t"))
        try await store.delete(other.id)
        let before = ScratchDirectory.names(scratch.path + "/packs")
        let rehearsed = try await store.previewGarbage()
        #expect(rehearsed.removedChunkCount == other.chunkCount)
        #expect(ScratchDirectory.names(scratch.path + "/packs") == before)
        #expect(try await store.collectGarbage() == rehearsed)
    }
}
