public import GPUServeKit

/// A promise of a protocol that an implementation breaks.
public struct ConformanceFailure: Error, CustomStringConvertible {
    /// Which promise, and what happened instead.
    public let description: String
}

/// Tests what every `SnapshotStore` promises, on empty stores that `makeStore` makes.
///
/// ```swift
/// @Test func conforms() async throws {
///     try await checkSnapshotStore { try MyStore(...) }
/// }
/// ```
/// Works with any test library: throws a `ConformanceFailure` that names the broken promise, or the store's own error.
/// Moves less than a megabyte. `collects` is false for a store whose garbage someone else collects.
public func checkSnapshotStore(
    collects: Bool = true, _ makeStore: () async throws -> any SnapshotStore
) async throws {
    try await StoreCheck(store: try await makeStore()).emptyStore()
    try await StoreCheck(store: try await makeStore()).addingAndReading()
    try await StoreCheck(store: try await makeStore()).identicalChunksOnce()
    try await StoreCheck(store: try await makeStore()).refusals()
    try await StoreCheck(store: try await makeStore()).manyAtOnce()
    if collects { try await StoreCheck(store: try await makeStore()).removing() }
}

private struct StoreCheck {
    let store: any SnapshotStore

    // MARK: The promises

    func emptyStore() async throws {
        try expect(!store.name.isEmpty, "a store has a name")
        try expect(try await store.list().isEmpty, "a new store lists nothing")
        let nobody = SnapshotID(ContentHash(of: [1]))
        try await expect(.snapshotMissing, "manifest") { _ = try await store.manifest(nobody) }
        try await expect(.snapshotMissing, "lease") { _ = try await store.lease(nobody) }
        try await expect(.snapshotMissing, "delete") { try await store.delete(nobody) }
        let (chunk, bytes) = Self.chunk(1, 5000)
        try expect(try await store.holds([chunk]) == [false], "a new store holds no chunk")
        try await expect(.chunkMissing, "read") { _ = try await read(chunk, count: bytes.count) }
    }

    func addingAndReading() async throws {
        let source = Self.source(seed: 10)
        let made = try await store.create(from: source, Self.options("first"))
        try expect(try await store.list().map(\.id) == [made.id], "a committed snapshot is listed")
        try expect(try await store.list().first?.name == "first", "a listing has names")
        try expect(try await store.manifest(made.id) == made.manifest, "a manifest is read as it was committed")
        try await expectWhole(made)
        let chunk = made.manifest.regions[1].content.chunks[0]
        let whole = try await read(chunk, count: chunk.byteCount)
        for range in [0..<1, 1..<100, 4000..<4096, 0..<chunk.byteCount] {
            var part = [UInt8](repeating: 0xEE, count: range.count)
            try await part.fill { (memory) throws(SnapshotError) in
                try await store.read(chunk, range: range, into: memory)
            }
            try expect(part == Array(whole[range]), "a part of a chunk is that part of the whole: \(range)")
        }
        let again = try await store.create(from: source, Self.options("first"))
        try expect(again.id == made.id, "the same content has the same identifier")
        try expect(again.storedBytes == 0, "the same content is not stored again")
        try expect(try await store.list().count == 1, "the same content is listed once")
    }

    func identicalChunksOnce() async throws {
        let first = try await store.create(from: Self.source(seed: 20), Self.options("base"))
        var variant = Self.regions(seed: 20)
        variant[1].1[5000] ^= 1
        let second = try await store.create(from: MemorySource(variant), Self.options("variant"))
        try expect(second.id != first.id, "other content has another identifier")
        try expect(second.storedChunkCount == 1, "of a variant only the changed chunk is stored")
        try await expectWhole(first)
        try await expectWhole(second)
    }

    func refusals() async throws {
        let (chunk, bytes) = Self.chunk(30, 5000)
        let upload = try await store.begin()
        let manifest = SnapshotManifest(
            name: "m", chunkBytes: 8192,
            regions: [
                .init(
                    RegionDescription(name: "r", dtype: .bytes, shape: [5000], byteCount: 5000),
                    content: .init(chunks: [chunk]))
            ])
        try expect(!(try await upload.keep(chunk)), "a chunk that nobody put cannot be kept")
        try await expect(.chunkMissing, "commit") { _ = try await upload.commit(manifest) }
        try expect(try await store.list().isEmpty, "nothing is visible after a refused commit")
        let second = try await store.begin()
        var wrong = bytes
        wrong[4999] ^= 0x80
        try await expect(.chunkCorrupt, "put") { _ = try await Self.put(chunk, wrong, second) }
        let third = try await store.begin()
        try expect(try await Self.put(chunk, bytes, third), "a new chunk is stored")
        try expect(!(try await Self.put(chunk, bytes, third)), "a chunk is stored once")
        try expect(try await store.list().isEmpty, "nothing is visible before the commit")
        await third.abandon()
        try await expect(.invalidArgument, "commit after abandon") { _ = try await third.commit(manifest) }
        let bad = SnapshotManifest(name: "../up", chunkBytes: 8192)
        let fourth = try await store.begin()
        try await expect(.unsafeName, "commit") { _ = try await fourth.commit(bad) }
    }

    func removing() async throws {
        let first = try await store.create(from: Self.source(seed: 40), Self.options("one"))
        let second = try await store.create(from: Self.source(seed: 41), Self.options("two"))
        try expect(try await store.collectGarbage().removedChunkCount == 0, "what snapshots refer to is kept")
        var lease: (any SnapshotLease)? = try await store.lease(first.id)
        try await store.delete(first.id)
        try expect(try await store.list().map(\.id) == [second.id], "a deleted snapshot is not listed")
        try await expect(.snapshotMissing, "lease of a deleted snapshot") { _ = try await store.lease(first.id) }
        _ = try await store.collectGarbage()
        for chunk in first.manifest.distinctChunks { _ = try await read(chunk, count: chunk.byteCount) }
        try expect(lease?.manifest == first.manifest, "a lease keeps its manifest")
        lease = nil
        let shared = Set(second.manifest.distinctChunks)
        let own = first.manifest.distinctChunks.filter { !shared.contains($0) }
        let report = try await store.collectGarbage()
        try expect(
            report.removedChunkCount >= own.count, "without its lease, a deleted snapshot's own chunks go: \(report)")
        try expect(try await store.holds(own).allSatisfy { !$0 }, "collected chunks are gone")
        try await expectWhole(second)
        // An upload keeps what it refers to before it is committed.
        let upload = try await store.begin()
        let (chunk, bytes) = Self.chunk(42, 5000)
        _ = try await Self.put(chunk, bytes, upload)
        _ = try await store.collectGarbage()
        let manifest = SnapshotManifest(
            name: "three", chunkBytes: 8192,
            regions: [
                .init(
                    RegionDescription(name: "r", dtype: .bytes, shape: [5000], byteCount: 5000),
                    content: .init(chunks: [chunk]))
            ])
        let id = try await upload.commit(manifest)
        try expect(try await store.verify(id).isEmpty, "collecting takes nothing from an upload")
    }

    func manyAtOnce() async throws {
        let ids = try await withThrowingTaskGroup(of: SnapshotTransfer.self) { group in
            for seed in 0..<4 {
                group.addTask { [store] in
                    let source = Self.source(seed: 50 + UInt64(seed % 2))
                    let made = try await store.create(from: source, Self.options("n\(seed % 2)"))
                    _ = try await store.list()
                    return made
                }
            }
            var made: [SnapshotTransfer] = []
            for try await one in group { made.append(one) }
            return made
        }
        try expect(Set(ids.map(\.id)).count == 2, "snapshots made at once have their identifiers")
        for made in ids { try await expectWhole(made) }
    }

    // MARK: Tools

    private func expect(_ holds: Bool, _ promise: String) throws {
        guard holds else { throw ConformanceFailure(description: "\(store.name): not kept: \(promise)") }
    }

    private func expect(_ code: SnapshotError.Code, _ call: String, _ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch let error as SnapshotError {
            return try expect(error.code == code, "\(call) fails with \(code); it was: \(error)")
        }
        try expect(false, "\(call) fails with \(code); it did not fail")
    }

    private func expectWhole(_ made: SnapshotTransfer) async throws {
        let problems = try await store.verify(made.id)
        try expect(problems.isEmpty, "every chunk is read back as it was put: \(problems)")
    }

    private func read(_ chunk: ChunkRef, count: Int) async throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: count)
        try await bytes.fill { (memory) throws(SnapshotError) in try await store.read(chunk, into: memory) }
        return bytes
    }

    private static func put(_ chunk: ChunkRef, _ bytes: [UInt8], _ upload: any SnapshotUpload) async throws -> Bool {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: bytes)
        return try await upload.put(chunk, Memory(MutableMemory(copy)))
    }

    static func options(_ name: String) -> SnapshotOptions { SnapshotOptions(name: name, chunkBytes: 8192) }

    static func source(seed: UInt64) -> MemorySource { MemorySource(regions(seed: seed), hostState: [1, 2, 3]) }

    /// Regions of awkward lengths: shorter than a block, whole chunks, a bit more, none.
    static func regions(seed: UInt64) -> [(RegionDescription, [UInt8])] {
        [100, 20_000, 8192, 8193, 0].enumerated().map { index, count in
            let description = RegionDescription(
                name: "r\(index)", dtype: .bytes, shape: [count], byteCount: count, order: index)
            return (description, bytes(seed * 31 + UInt64(index), count))
        }
    }

    static func chunk(_ seed: UInt64, _ count: Int) -> (ChunkRef, [UInt8]) {
        let bytes = bytes(seed, count)
        return (bytes.withUnsafeBytes { ChunkRef(of: Memory($0)) }, bytes)
    }

    /// A linear congruential generator (Knuth, MMIX): the same bytes in every run.
    static func bytes(_ seed: UInt64, _ count: Int) -> [UInt8] {
        var state = seed &* 2 &+ 1
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
    }
}

extension [UInt8] {
    /// Fills the array through memory that stays where it is while `body` waits.
    fileprivate mutating func fill(_ body: (MutableMemory) async throws(SnapshotError) -> Void) async throws {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: Swift.max(count, 1), alignment: 4096)
        defer { memory.deallocate() }
        let part = UnsafeMutableRawBufferPointer(rebasing: memory[0..<count])
        try await body(MutableMemory(part))
        self = Array(part)
    }
}
