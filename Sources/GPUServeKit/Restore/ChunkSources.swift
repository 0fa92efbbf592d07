internal import CPosix
internal import Glibc

/// A snapshot held open in its store, and where each of its chunks lies: in memory or on a disk of this machine, from where
/// they are read without a detour through tasks, or anywhere the store can get them from.
struct ChunkSources: Sendable {
    let store: any SnapshotStore
    /// Keeps the chunks from being collected.
    let lease: any SnapshotLease
    private let memory: MemorySnapshotStore?
    private let locations: [ContentHash: ChunkLocation]

    var manifest: SnapshotManifest { lease.manifest }

    /// `known` is the snapshot's manifest when the caller has read it before.
    static func open(
        _ store: any SnapshotStore, _ id: SnapshotID, knowing known: SnapshotManifest? = nil
    ) async throws(SnapshotError) -> ChunkSources {
        if let directory = store as? DirectorySnapshotStore {
            let lease = try await directory.directoryLease(id, knowing: known)
            return ChunkSources(store: store, lease: lease, memory: nil, locations: lease.locations)
        }
        let lease = try await store.lease(id)
        if let memory = store as? MemorySnapshotStore {
            return ChunkSources(store: store, lease: lease, memory: memory, locations: [:])
        }
        let tiers = (store as? TieredSnapshotStore)?.tiers ?? []
        var locations: [ContentHash: ChunkLocation] = [:]
        if let directory = tiers.lazy.compactMap({ $0 as? DirectorySnapshotStore }).first {
            let chunks = lease.manifest.distinctChunks
            locations = try await BlockingThreads.shared.run { () throws(SnapshotError) in
                try directory.locate(chunks)
            }
        }
        return ChunkSources(
            store: store, lease: lease, memory: tiers.lazy.compactMap { $0 as? MemorySnapshotStore }.first,
            locations: locations)
    }

    /// The fastest tier of each chunk; chunks that are nowhere are left out. Nothing is read.
    func tiers(of chunks: [ChunkRef]) async throws(SnapshotError) -> [ContentHash: RestoreTier] {
        var tiers: [ContentHash: RestoreTier] = [:]
        var open: [ChunkRef] = []
        let isCached = cachedShare(of: chunks) >= 0.5
        for chunk in chunks {
            if memory?.held(chunk) != nil {
                tiers[chunk.hash] = .memory
            } else if locations[chunk.hash] != nil {
                tiers[chunk.hash] = isCached ? .pageCache : .disk
            } else {
                open.append(chunk)
            }
        }
        guard !open.isEmpty else { return tiers }
        for (chunk, isHeld) in zip(open, try await store.holds(open)) where isHeld { tiers[chunk.hash] = .remote }
        return tiers
    }

    /// How much of the snapshot the page cache seems to hold, by looking at a few chunks' middles.
    private func cachedShare(of chunks: [ChunkRef]) -> Double {
        let sampleCount = 32
        var looked = 0
        var cached = 0
        for index in stride(from: 0, to: chunks.count, by: max(1, chunks.count / sampleCount)) {
            guard let location = locations[chunks[index].hash], let file = try? location.pack.file() else { continue }
            var byte: UInt8 = 0
            looked += 1
            let middle = location.offset + chunks[index].byteCount / 2
            if cposix_read_cached(file.number, &byte, 1, Int64(middle)) == 1 { cached += 1 }
        }
        return looked == 0 ? 0 : Double(cached) / Double(looked)
    }

    /// Where a chunk lies on a disk of this machine.
    func location(of chunk: ChunkRef) -> ChunkLocation? { locations[chunk.hash] }

    /// Whether `readLocal` can be asked for the chunk.
    func isLocal(_ chunk: ChunkRef) -> Bool { locations[chunk.hash] != nil || memory?.held(chunk) != nil }

    /// Fills the front of `memory`, which may have room beyond the chunk, from this machine, and says from which tier.
    /// Blocks. Nil when the chunk is not on this machine.
    ///
    /// - Throws: `chunkCorrupt`, `chunkMissing` or `system`.
    func readLocal(
        _ chunk: ChunkRef, into memory: MutableMemory, verifies: Bool
    ) throws(SnapshotError) -> RestoreTier? {
        if let held = self.memory?.held(chunk) {
            try withExtendedLifetime(held) { () throws(SnapshotError) in
                try LocalReader.copy(held.memory, chunk, into: memory, verifies: verifies)
            }
            return .memory
        }
        guard let location = locations[chunk.hash] else { return nil }
        return try LocalReader.read(location, into: memory, verifies: verifies)
    }

    /// A chunk, verified: from this machine unless that `isTried` already, or from wherever the store has it whole. Notes
    /// what was wrong on the way.
    func fetch(
        _ chunk: ChunkRef, into memory: MutableMemory, verifies: Bool, board: RestoreBoard, isTried: Bool = false
    ) async throws(RestoreError) -> RestoreTier {
        if !isTried, isLocal(chunk) {
            do throws(SnapshotError) {
                let tier = try await BlockingThreads.shared.run { () throws(SnapshotError) in
                    try readLocal(chunk, into: memory, verifies: verifies)
                }
                if let tier { return tier }
            } catch {
                board.note(error)
            }
        }
        do throws(SnapshotError) {
            try await store.read(chunk, into: memory[0..<chunk.byteCount])
        } catch {
            throw RestoreError(error, chunk: chunk.hash)
        }
        return .remote
    }
}

/// Reads of one chunk, checked piece by piece while the piece is in the core's cache.
enum LocalReader {
    /// Half of a usual second-level cache, so that what was read is still there when it is checked.
    static let pieceBytes = 512 * 1024

    static func copy(
        _ source: Memory, _ chunk: ChunkRef, into memory: MutableMemory, verifies: Bool
    ) throws(SnapshotError) {
        var crc: UInt64 = 0
        for start in stride(from: 0, to: chunk.byteCount, by: pieceBytes) {
            let range = start..<min(start + pieceBytes, chunk.byteCount)
            memory[range].buffer.copyMemory(from: source[range].buffer)
            if verifies { crc = Checksum.crc64(Memory(memory[range]), continuing: crc) }
        }
        if verifies, crc != chunk.crc64 { throw corrupt(chunk, "memory", nil) }
    }

    /// From the page cache as far as it goes; what is left past it, in one read.
    static func read(
        _ location: ChunkLocation, into memory: MutableMemory, verifies: Bool
    ) throws(SnapshotError) -> RestoreTier {
        let chunk = location.chunk
        let file = try location.pack.file()
        var crc: UInt64 = 0
        var done = 0
        while done < chunk.byteCount {
            let piece = memory[done..<min(done + pieceBytes, chunk.byteCount)]
            let count = cposix_read_cached(
                file.number, piece.base, piece.count, Int64(location.offset + done))
            guard count == piece.count else { break }
            if verifies { crc = Checksum.crc64(Memory(piece), continuing: crc) }
            done += piece.count
        }
        let cached = done
        if done < chunk.byteCount {
            // Padding makes the last block whole, so a reader with room for it needs no second way for the tail.
            let padded = min(memory.count, chunk.byteCount.roundedUp(to: PageBuffer.alignment))
            try location.pack.read(at: location.offset + done, into: memory[done..<padded], mode: .direct)
        }
        while verifies, done < chunk.byteCount {
            let piece = memory[done..<min(done + pieceBytes, chunk.byteCount)]
            crc = Checksum.crc64(Memory(piece), continuing: crc)
            done += piece.count
        }
        if verifies, crc != chunk.crc64 { throw corrupt(chunk, file.label, location.offset) }
        return cached * 2 >= chunk.byteCount ? .pageCache : .disk
    }

    private static func corrupt(_ chunk: ChunkRef, _ file: String, _ offset: Int?) -> SnapshotError {
        SnapshotError(
            .chunkCorrupt, "chunk \(chunk.hash) does not have its checksum; take it from another store", file: file,
            offset: offset)
    }
}
