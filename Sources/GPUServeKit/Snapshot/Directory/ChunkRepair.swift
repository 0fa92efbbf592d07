internal import Synchronization
internal import Transport

/// Chunks that this process has found damaged: not to be relied on until they are written again.
final class DamagedChunks: Sendable {
    private struct Place: Hashable {
        let pack: String
        let offset: Int
    }

    private let places = Lock<Set<Place>>([])

    func note(_ location: ChunkLocation) {
        places.withLock { _ = $0.insert(Place(pack: location.pack.id, offset: location.offset)) }
    }

    func forget(_ location: ChunkLocation) {
        places.withLock { _ = $0.remove(Place(pack: location.pack.id, offset: location.offset)) }
    }

    func contains(_ location: ChunkLocation) -> Bool {
        places.withLock { $0.contains(Place(pack: location.pack.id, offset: location.offset)) }
    }
}

/// Damaged chunks are written again where they lie: the bytes are known by their hash, so that a write that is cut short
/// leaves a chunk that is damaged as before, and no index has to change.
extension DirectorySnapshotStore {
    /// See `SnapshotStore.repair`.
    @discardableResult
    public func repair(_ chunk: ChunkRef, _ memory: Memory) async throws(SnapshotError) -> Bool {
        try await BlockingThreads.shared.run { [self] () throws(SnapshotError) in
            // With the lock, so that the collector does not take the place away meanwhile.
            try layout.withCollectorLock(exclusive: false) { () throws(SnapshotError) in
                try catalog.refresh()
                guard let location = catalog.location(chunk.hash) else { return false }
                return try mend(location, memory)
            }
        }
    }

    /// Reads the chunk that lies at `location`, and writes `memory` there when it is damaged. True when it was. Call it while
    /// the collector is kept from the chunk.
    func mend(_ location: ChunkLocation, _ memory: Memory) throws(SnapshotError) -> Bool {
        let chunk = location.chunk
        try chunk.verify(memory, in: "memory")
        guard ContentHash(of: memory) == chunk.hash else {
            throw SnapshotError(.chunkCorrupt, "the bytes given for chunk \(chunk.hash) do not have its hash")
        }
        let buffer = PageBuffer(byteCount: chunk.byteCount)
        defer { withExtendedLifetime(buffer) {} }
        do throws(SnapshotError) {
            try readVerified(chunk, into: buffer.memory)
            return false
        } catch {
            // A disk that cannot read a place often can write it.
            guard error.code == .chunkCorrupt || error.code == .system else { throw error }
        }
        let name = location.pack.id + ".pack"
        guard let pack = try layout.packs.file(name, writable: true) else {
            throw SnapshotError(.chunkMissing, "the pack is gone", file: location.file(in: layout))
        }
        try layout.files.write(memory, to: pack, at: location.offset)
        try layout.files.sync(pack)
        damage.forget(location)
        return true
    }
}

extension ChunkLocation {
    /// The pack's path, for errors.
    func file(in layout: StoreLayout) -> String { "\(layout.packs.label)/\(pack.id).pack" }
}
