import GPUServeKit
import GPUServeKitTesting
import Testing

/// The stores keep what `SnapshotStore` promises.
@Suite struct StoreConformanceTests {
    @Test func `a directory conforms`() async throws {
        let scratch = try ScratchDirectory()
        var count = 0
        try await checkSnapshotStore {
            count += 1
            return try DirectorySnapshotStore(path: "\(scratch.path)/\(count)")
        }
    }

    @Test func `memory conforms`() async throws {
        try await checkSnapshotStore { MemorySnapshotStore(quotaBytes: 1 << 20) }
    }

    /// Loses a byte of every chunk: the suite must notice.
    final class FakeForgetfulStore: SnapshotStore {
        let inner = MemorySnapshotStore(quotaBytes: 1 << 20)
        let name = "forgetful"
        func list() async throws(SnapshotError) -> [SnapshotSummary] { try await inner.list() }
        func manifest(_ id: SnapshotID) async throws(SnapshotError) -> SnapshotManifest { try await inner.manifest(id) }
        func lease(_ id: SnapshotID) async throws(SnapshotError) -> any SnapshotLease { try await inner.lease(id) }
        func holds(_ chunks: [ChunkRef]) async throws(SnapshotError) -> [Bool] { try await inner.holds(chunks) }
        func read(_ chunk: ChunkRef, into memory: MutableMemory) async throws(SnapshotError) {
            try await inner.read(chunk, into: memory)
            memory.buffer[chunk.byteCount - 1] ^= 1
        }
        func read(_ chunk: ChunkRef, range: Range<Int>, into memory: MutableMemory) async throws(SnapshotError) {
            try await inner.read(chunk, range: range, into: memory)
        }
        func begin() async throws(SnapshotError) -> any SnapshotUpload { try await inner.begin() }
        func delete(_ id: SnapshotID) async throws(SnapshotError) { try await inner.delete(id) }
        func collectGarbage() async throws(SnapshotError) -> GarbageReport { try await inner.collectGarbage() }
    }

    @Test func `the suite finds a store that returns wrong bytes`() async throws {
        let failure = await #expect(throws: ConformanceFailure.self) {
            try await checkSnapshotStore { FakeForgetfulStore() }
        }
        #expect(failure?.description.contains("read back as it was put") == true)
    }
}
