import Testing

@testable import GPUServeKit

/// A model of a few regions, a store that has it, and devices to restore onto.
struct RestoreFixture {
    let scratch: ScratchDirectory
    let disk: DirectorySnapshotStore
    let regions: [(RegionDescription, [UInt8])]
    let snapshot: SnapshotTransfer

    static let chunkBytes = 8192
    /// Lengths around a chunk's, one of them 0.
    static let lengths = [20_000, 8192, 100, 0, 40_960, 8193]

    init(seed: UInt64 = 1) async throws {
        scratch = try ScratchDirectory()
        disk = try DirectorySnapshotStore(path: scratch.path + "/store")
        regions = Self.regions(seed)
        snapshot = try await disk.create(from: Self.source(regions), Self.options)
    }

    static let options = SnapshotOptions(name: "model", chunkBytes: chunkBytes)

    static func source(_ regions: [(RegionDescription, [UInt8])]) -> MemorySource {
        MemorySource(
            regions, modules: [CodeImage(name: "code", kind: "ptx", bytes: Array("// code".utf8))],
            hostState: Array("state".utf8))
    }

    static func regions(_ seed: UInt64) -> [(RegionDescription, [UInt8])] {
        lengths.enumerated().map { index, count in
            let bytes = TestBytes.random(count: count, seed: seed * 1000 + UInt64(index))
            // Needed from the last to the first.
            let description = RegionDescription(
                name: "r\(index)", dtype: .bytes, shape: [count], byteCount: count, order: lengths.count - index)
            return (description, bytes)
        }
    }

    /// The same model with one byte changed in each of the given (region, offset)s.
    static func variant(
        of regions: [(RegionDescription, [UInt8])], _ changes: [(Int, Int)]
    ) -> [(RegionDescription, [UInt8])] {
        var regions = regions
        for (region, offset) in changes { regions[region].1[offset] ^= 0x5A }
        return regions
    }

    /// A host device with memory of its own, so that leaks show.
    static func host(_ ordinal: Int = 0) throws -> (context: HostContext, pool: HostMemoryPool) {
        let pool = HostMemoryPool()
        return (try HostContext(ordinal: ordinal, pool: pool), pool)
    }

    /// The packs of the store, to be damaged.
    var packs: [String] {
        ScratchDirectory.names(disk.path + "/packs").filter { $0.hasSuffix(".pack") }.map { "\(disk.path)/packs/\($0)" }
    }

    /// Flips one bit of a chunk on disk.
    func damage(_ chunk: ChunkRef) throws {
        let location = try #require(try disk.locate([chunk])[chunk.hash])
        let file = "\(disk.path)/packs/\(location.pack.id).pack"
        var bytes = ScratchDirectory.read(file)
        bytes[location.offset + chunk.byteCount / 2] ^= 1
        ScratchDirectory.write(bytes, to: file)
    }
}

extension Resident {
    /// A region's bytes, read back from the device.
    func bytes(of region: String, on device: Int = 0) async throws -> [UInt8] {
        let range = try range(of: region, on: device)
        guard range.byteCount > 0 else { return [] }
        let context = memory.contexts[device]
        let window = try HostMemoryPool.shared.window(byteCount: range.byteCount)
        let stream = try await context.makeStream()
        try await context.completed(context.copyOut(range, to: window, on: stream))
        try await context.destroy(stream)
        return window.withBytes { Array($0) }
    }

    func expect(
        _ regions: [(RegionDescription, [UInt8])], sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        for (description, bytes) in regions {
            #expect(
                try await self.bytes(of: description.name) == bytes, "\(description.name)",
                sourceLocation: sourceLocation)
        }
    }
}

extension HostMemoryPool {
    /// Nothing is held, as soon as the thread that did the last read has let go of it.
    func expectEmpty(sourceLocation: SourceLocation = #_sourceLocation) async {
        for _ in 0..<1_000_000 where heldBytes > 0 { await Task.yield() }
        #expect(heldBytes == 0, sourceLocation: sourceLocation)
    }
}

/// What a restore is expected to fail with.
func failure(_ body: () async throws -> Void) async -> RestoreError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? RestoreError
    }
}
