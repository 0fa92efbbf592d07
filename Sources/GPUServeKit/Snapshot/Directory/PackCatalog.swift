internal import Glibc
internal import Synchronization
internal import Transport
internal import Wire

/// What this process knows of the packs of a store. Other processes add and take away; `refresh` notices.
final class PackCatalog: Sendable {
    private struct State {
        var packs: [String: (pack: Pack, entries: [PackEntry])] = [:]
        var chunks: [ContentHash: ChunkLocation] = [:]
        var storedBytes = 0
        var damaged: [SnapshotError] = []
        /// What the directory looked like when it was last read.
        var stamp: Stamp?
    }

    private struct Stamp: Hashable {
        var seconds: Int
        var nanoseconds: Int
        /// Counted up by each collection of garbage, in the file of its lock.
        var generation: UInt64
    }

    private let directory: Descriptor
    private let collectorLock: Descriptor
    private let limits: Limits
    private let state = Lock(State())

    init(directory: Descriptor, collectorLock: Descriptor, limits: Limits) {
        self.directory = directory
        self.collectorLock = collectorLock
        self.limits = limits
    }

    /// Where a chunk lies.
    func location(_ hash: ContentHash) -> ChunkLocation? { state.withLock { $0.chunks[hash] } }

    /// Bytes of all finished packs.
    var storedBytes: Int { state.withLock { $0.storedBytes } }

    /// Indexes that could not be read.
    var damaged: [SnapshotError] { state.withLock { $0.damaged } }

    /// Reads what has changed; everything, when `force`.
    func refresh(force: Bool = false) throws(SnapshotError) {
        try state.withLock { (state) throws(SnapshotError) in
            let info = try directory.status()
            let stamp = Stamp(
                seconds: info.st_mtim.tv_sec, nanoseconds: info.st_mtim.tv_nsec, generation: try generation())
            if !force, state.stamp == stamp { return }
            // A collection rewrites indexes under their names.
            let isCollected = force || state.stamp?.generation != stamp.generation
            var packs: [String: (pack: Pack, entries: [PackEntry])] = [:]
            state.damaged = []
            for name in try directory.names() where name.hasSuffix(".index") {
                let id = String(name.dropLast(6))
                if !isCollected, let known = state.packs[id] {
                    packs[id] = known
                    continue
                }
                do throws(SnapshotError) {
                    guard let entries = try load(id) else { continue }
                    packs[id] = (state.packs[id]?.pack ?? Pack(id: id, directory: directory), entries)
                } catch {
                    guard error.code != .system else { throw error }
                    state.damaged.append(error)
                }
            }
            state.packs = packs
            state.chunks = [:]
            state.storedBytes = 0
            for (pack, entries) in packs.values {
                for entry in entries {
                    state.chunks[entry.chunk.hash] = ChunkLocation(pack: pack, offset: entry.offset, chunk: entry.chunk)
                    state.storedBytes += entry.span.count
                }
            }
            state.stamp = stamp
        }
    }

    /// Adds a pack that this process has just finished, without reading it again.
    func add(id: String, entries: [PackEntry]) {
        state.withLock { state in
            guard state.packs[id] == nil else { return }
            let pack = Pack(id: id, directory: directory)
            state.packs[id] = (pack, entries)
            for entry in entries {
                state.chunks[entry.chunk.hash] = ChunkLocation(pack: pack, offset: entry.offset, chunk: entry.chunk)
                state.storedBytes += entry.span.count
            }
        }
    }

    /// The entries of a pack; nil when its index is gone meanwhile.
    func load(_ id: String) throws(SnapshotError) -> [PackEntry]? {
        guard let index = try directory.file(id + ".index") else { return nil }
        guard let pack = try directory.file(id + ".pack") else {
            throw SnapshotError(.chunkMissing, "the pack of this index is gone", file: index.label)
        }
        // An entry for each 4 KiB of a pack is the most there can be.
        let packBytes = Int(try pack.status().st_size)
        let bytes = try index.contents(limit: packBytes / PageBuffer.alignment * 56 + 4096)
        return try PackIndex.decode(bytes, packBytes: packBytes, file: index.label)
    }

    func generation() throws(SnapshotError) -> UInt64 {
        var generation: UInt64 = 0
        let count = withUnsafeMutableBytes(of: &generation) { pread(collectorLock.number, $0.baseAddress, 8, 0) }
        return count == 8 ? UInt64(littleEndian: generation) : 0
    }
}
