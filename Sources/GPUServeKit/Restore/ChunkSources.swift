internal import CPosix
internal import Glibc
internal import Synchronization
internal import Transport

/// A snapshot held open in its store, and where each of its chunks lies: in memory or on a disk of this machine, from where
/// they are read without a detour through tasks, or anywhere the store can get them from.
struct ChunkSources: Sendable {
    let store: any SnapshotStore
    /// Keeps the chunks from being collected.
    let lease: any SnapshotLease
    private let memory: MemorySnapshotStore?
    private let locations: [ContentHash: ChunkLocation]

    var manifest: SnapshotManifest { lease.manifest }

    /// `known` is the snapshot's manifest when the caller has read it before; `wanting` says which chunks will be asked for.
    static func open(
        _ store: any SnapshotStore, _ id: SnapshotID, knowing known: SnapshotManifest? = nil,
        wanting: @escaping @Sendable (SnapshotManifest) -> [ChunkRef] = { $0.distinctChunks }
    ) async throws(SnapshotError) -> ChunkSources {
        if let directory = store as? DirectorySnapshotStore {
            let lease = try await directory.directoryLease(id, knowing: known, wanting: wanting)
            return ChunkSources(store: store, lease: lease, memory: nil, locations: lease.locations)
        }
        let tiered = store as? TieredSnapshotStore
        let lease =
            if let tiered { try await tiered.lease(id, knowing: known) } else { try await store.lease(id) }
        if let memory = store as? MemorySnapshotStore {
            return ChunkSources(store: store, lease: lease, memory: memory, locations: [:])
        }
        let tiers = tiered?.tiers ?? []
        var locations: [ContentHash: ChunkLocation] = [:]
        if let directory = tiers.lazy.compactMap({ $0 as? DirectorySnapshotStore }).first {
            let chunks = wanting(lease.manifest)
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
        let lookDistance = max(1, chunks.count / Self.mostLooks)
        var isCached = false
        for (index, chunk) in chunks.enumerated() {
            if index % lookDistance == 0 { isCached = cacheHolds(chunk) }
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

    /// Chunks of a plan that are looked for in the page cache, a look being a system call; those between two looks are taken
    /// to be where the one before them is.
    private static let mostLooks = 128

    /// Whether the page cache seems to hold a chunk, by its middle.
    private func cacheHolds(_ chunk: ChunkRef) -> Bool {
        guard let location = locations[chunk.hash], let file = try? location.pack.file() else { return false }
        var byte: UInt8 = 0
        return cposix_read_cached(file.number, &byte, 1, Int64(location.offset + chunk.byteCount / 2)) == 1
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

    /// Where the page cache has all of a chunk, so that its pages can take the place of `memory`'s; nil when it has not, or
    /// when pages and places do not fit.
    func mapping(of chunk: ChunkRef, onto memory: MutableMemory) throws(SnapshotError) -> PageMapping? {
        guard self.memory?.held(chunk) == nil, let location = locations[chunk.hash] else { return nil }
        return try PageMapping(location, onto: memory)
    }

    /// Checks a chunk whose pages were put in place. Throws `chunkCorrupt`.
    func verifyMapped(_ chunk: ChunkRef, in memory: MutableMemory) throws(SnapshotError) {
        guard Checksum.crc64(Memory(memory[0..<chunk.byteCount])) != chunk.crc64 else { return }
        let location = locations[chunk.hash]
        throw LocalReader.corrupt(chunk, location.flatMap { try? $0.pack.file().label } ?? "", location?.offset)
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

/// Reads of one chunk, checked on the way to its place.
enum LocalReader {
    /// A piece is read into a buffer that stays in the core's second-level cache, and from there copied and summed in one
    /// pass that goes past the cache. Reading into place and summing there afterwards moves each byte through memory once
    /// more; see Benchmarks/bench-restore/TRIES.md.
    static let pieceBytes = 128 * 1024
    /// Unchecked reads go into place at once.
    private static let uncheckedBytes = 1024 * 1024

    static func copy(
        _ source: Memory, _ chunk: ChunkRef, into memory: MutableMemory, verifies: Bool
    ) throws(SnapshotError) {
        let target = memory[0..<chunk.byteCount]
        guard verifies else {
            target.buffer.copyMemory(from: source[0..<chunk.byteCount].buffer)
            return
        }
        if Checksum.copy(source[0..<chunk.byteCount], to: target) != chunk.crc64 { throw corrupt(chunk, "memory", nil) }
    }

    /// Pieces of a chunk that are brought back into the page cache when it has given them up and kept the ones around them:
    /// the chunk is in use. With more missing (the kernel reads ahead, so more pieces than these) the way past it is faster.
    private static let mostHoles = 4

    /// From the page cache as far as it goes, a few holes mended; what is left past it, in one read.
    static func read(
        _ location: ChunkLocation, into memory: MutableMemory, verifies: Bool
    ) throws(SnapshotError) -> RestoreTier {
        let chunk = location.chunk
        let file = try location.pack.file()
        var crc: UInt64 = 0
        let cached = try PieceBuffers.withOne { buffer throws(SnapshotError) in
            var done = 0
            var holeCount = 0
            while done < chunk.byteCount {
                let step = verifies ? pieceBytes : uncheckedBytes
                let place = memory[done..<min(done + step, chunk.byteCount)]
                let piece = verifies ? buffer[0..<place.count] : place
                let count = cposix_read_cached(file.number, piece.base, piece.count, Int64(location.offset + done))
                if count != piece.count {
                    guard done > 0, holeCount < mostHoles else { break }
                    holeCount += 1
                    try location.pack.read(at: location.offset + done, into: piece, mode: .cached)
                }
                if verifies { crc = Checksum.copy(Memory(piece), to: place, continuing: crc) }
                done += piece.count
            }
            return done
        }
        if cached < chunk.byteCount {
            // Padding makes the last block whole, so a reader with room for it needs no second way for the tail.
            let padded = min(memory.count, chunk.byteCount.roundedUp(to: PageBuffer.alignment))
            try location.pack.read(at: location.offset + cached, into: memory[cached..<padded], mode: .direct)
            if verifies { crc = Checksum.crc64(Memory(memory[cached..<chunk.byteCount]), continuing: crc) }
        }
        if verifies, crc != chunk.crc64 { throw corrupt(chunk, file.label, location.offset) }
        return cached * 2 >= chunk.byteCount ? .pageCache : .disk
    }

    static func corrupt(_ chunk: ChunkRef, _ file: String, _ offset: Int?) -> SnapshotError {
        SnapshotError(
            .chunkCorrupt, "chunk \(chunk.hash) does not have its checksum; take it from another store", file: file,
            offset: offset)
    }
}

/// Buffers of one piece each, kept for the next read: as many as there ever were readers at once.
private enum PieceBuffers {
    private static let kept = Lock<[PageBuffer]>([])

    static func withOne<Result>(
        _ body: (MutableMemory) throws(SnapshotError) -> Result
    ) throws(SnapshotError) -> Result {
        let buffer = kept.withLock { $0.popLast() } ?? PageBuffer(byteCount: LocalReader.pieceBytes)
        defer { kept.withLock { $0.append(buffer) } }
        defer { withExtendedLifetime(buffer) {} }
        return try body(buffer.memory)
    }
}
