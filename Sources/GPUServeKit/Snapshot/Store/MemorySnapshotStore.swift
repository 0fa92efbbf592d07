internal import Synchronization
internal import Transport
public import Wire

/// Gives memory for chunks: page-aligned, and pinned where a device is to copy from it.
public protocol ChunkAllocator: Sendable {
    /// At least `byteCount` bytes at a multiple of 4,096. Throws `storeFull` when there are none.
    func allocate(byteCount: Int) throws(SnapshotError) -> MutableMemory
    /// Takes back what `allocate` gave.
    func free(_ memory: MutableMemory)
}

/// Ordinary memory.
public struct HeapAllocator: ChunkAllocator {
    /// The allocator.
    public init() {}

    /// Page-aligned memory of the process.
    public func allocate(byteCount: Int) throws(SnapshotError) -> MutableMemory {
        MutableMemory(.allocate(byteCount: max(byteCount, 1), alignment: PageBuffer.alignment))
    }

    /// Frees it.
    public func free(_ memory: MutableMemory) { memory.base?.deallocate() }
}

/// Snapshots in this process's memory: the fastest tier, and gone with the process.
public final class MemorySnapshotStore: SnapshotStore {
    /// `memory`.
    public let name = "memory"
    private let quotaBytes: Int
    private let allocator: any ChunkAllocator
    private let limits: Limits
    fileprivate let base: (any SnapshotStore)?
    fileprivate let state = Lock(State())

    fileprivate struct State {
        var chunks: [ContentHash: HeldChunk] = [:]
        var manifests: [SnapshotID: (manifest: SnapshotManifest, bytes: [UInt8])] = [:]
        /// Chunks that leases and uploads refer to, counted.
        var pins: [ContentHash: Int] = [:]
        var byteCount = 0

        mutating func pin(_ hash: ContentHash) { pins[hash, default: 0] += 1 }

        mutating func unpin(_ hash: ContentHash) {
            let count = (pins[hash] ?? 1) - 1
            pins[hash] = count == 0 ? nil : count
        }
    }

    /// A store of at most `quotaBytes` of chunks, in memory that `allocator` gives.
    ///
    /// Its snapshots may share chunks with those of `base`, which then are not kept here: deltas in memory over what is on
    /// disk. Make both tiers of one `TieredSnapshotStore`, and hold a lease on what is shared.
    public init(
        quotaBytes: Int, over base: (any SnapshotStore)? = nil, allocator: any ChunkAllocator = HeapAllocator(),
        limits: Limits = .standard
    ) {
        self.quotaBytes = quotaBytes
        self.base = base
        self.allocator = allocator
        self.limits = limits
    }

    /// Bytes of all chunks.
    public var storedBytes: Int { state.withLock { $0.byteCount } }

    /// See `SnapshotStore.list`.
    public func list() async throws(SnapshotError) -> [SnapshotSummary] {
        state.withLock { state in
            state.manifests.map { SnapshotSummary(id: $0.key, manifest: $0.value.manifest) }.sorted { $0.id < $1.id }
        }
    }

    /// See `SnapshotStore.manifest`.
    public func manifest(_ id: SnapshotID) async throws(SnapshotError) -> SnapshotManifest {
        guard let found = state.withLock({ $0.manifests[id]?.manifest }) else { throw missing(id) }
        return found
    }

    /// See `SnapshotStore.lease`.
    public func lease(_ id: SnapshotID) async throws(SnapshotError) -> any SnapshotLease {
        let manifest = state.withLock { state -> SnapshotManifest? in
            guard let manifest = state.manifests[id]?.manifest else { return nil }
            for chunk in manifest.distinctChunks { state.pin(chunk.hash) }
            return manifest
        }
        guard let manifest else { throw missing(id) }
        return MemoryLease(id: id, manifest: manifest, store: self)
    }

    private func missing(_ id: SnapshotID) -> SnapshotError {
        SnapshotError(.snapshotMissing, "there is no snapshot \(id) in this store", file: name)
    }

    /// See `SnapshotStore.holds`.
    public func holds(_ chunks: [ChunkRef]) async throws(SnapshotError) -> [Bool] {
        state.withLock { state in chunks.map { state.chunks[$0.hash] != nil } }
    }

    /// The memory of a chunk, for readers that copy it themselves; it lives as long as the value. Nil when it is not here.
    func held(_ chunk: ChunkRef) -> HeldChunk? { state.withLock { $0.chunks[chunk.hash] } }

    /// See `SnapshotStore.read`.
    public func read(_ chunk: ChunkRef, into memory: MutableMemory) async throws(SnapshotError) {
        try await read(chunk, range: 0..<chunk.byteCount, into: memory)
        try chunk.verify(Memory(memory[0..<chunk.byteCount]), in: name)
    }

    /// See `SnapshotStore.read`.
    public func read(_ chunk: ChunkRef, range: Range<Int>, into memory: MutableMemory) async throws(SnapshotError) {
        guard let held = held(chunk) else {
            throw SnapshotError(.chunkMissing, "the store does not hold chunk \(chunk.hash)", file: name)
        }
        precondition(range.upperBound <= chunk.byteCount, "a range outside the chunk")
        withExtendedLifetime(held) { memory.buffer.copyMemory(from: held.memory[range].buffer) }
    }

    /// See `SnapshotStore.begin`.
    public func begin() async throws(SnapshotError) -> any SnapshotUpload { MemoryUpload(self) }

    /// See `SnapshotStore.delete`.
    public func delete(_ id: SnapshotID) async throws(SnapshotError) {
        guard state.withLock({ $0.manifests.removeValue(forKey: id) != nil }) else { throw missing(id) }
    }

    /// See `SnapshotStore.collectGarbage`.
    @discardableResult
    public func collectGarbage() async throws(SnapshotError) -> GarbageReport {
        // Freed outside the lock: giving back pinned memory is slow.
        let (report, removed) = state.withLock { state -> (GarbageReport, [HeldChunk]) in
            var report = GarbageReport()
            var live = Set(state.pins.keys)
            for (manifest, _) in state.manifests.values {
                for content in manifest.contents { for chunk in content.chunks { live.insert(chunk.hash) } }
            }
            let dead = state.chunks.filter { !live.contains($0.key) }
            for (hash, chunk) in dead {
                state.chunks[hash] = nil
                report.freedBytes += chunk.chunk.byteCount
            }
            report.removedChunkCount = dead.count
            report.keptChunkCount = state.chunks.count
            state.byteCount -= report.freedBytes
            return (report, Array(dead.values))
        }
        _ = removed
        return report
    }

    fileprivate func add(_ chunk: ChunkRef, _ memory: Memory) throws(SnapshotError) -> Bool {
        try chunk.verify(memory, in: "memory")
        let isWanted = try state.withLock { (state) throws(SnapshotError) -> Bool in
            guard state.chunks[chunk.hash] == nil else { return false }
            guard state.byteCount + chunk.byteCount <= quotaBytes else {
                throw SnapshotError(
                    .quotaExceeded,
                    "\(state.byteCount) bytes are stored of \(quotaBytes) allowed, and \(chunk.byteCount) "
                        + "more do not fit", file: name)
            }
            state.byteCount += chunk.byteCount
            return true
        }
        guard isWanted else { return false }
        let held: HeldChunk
        do throws(SnapshotError) {
            held = try HeldChunk(chunk, copying: memory, allocator)
        } catch {
            state.withLock { $0.byteCount -= chunk.byteCount }
            throw error
        }
        return state.withLock { state in
            guard state.chunks[chunk.hash] == nil else {
                state.byteCount -= chunk.byteCount
                return false
            }
            state.chunks[chunk.hash] = held
            return true
        }
    }

    /// The chunks are pinned, so what is here stays.
    fileprivate func commit(_ manifest: SnapshotManifest) async throws(SnapshotError) -> SnapshotID {
        let (bytes, id) = try manifest.encoded(limits: limits)
        let absent = state.withLock { state in manifest.distinctChunks.filter { state.chunks[$0.hash] == nil } }
        let held = try await base?.holds(absent) ?? absent.map { _ in false }
        if let index = held.firstIndex(of: false) {
            throw SnapshotError(
                .chunkMissing, "chunk \(absent[index].hash) was neither put nor is it in the store", file: name)
        }
        state.withLock { $0.manifests[id] = (manifest, bytes) }
        return id
    }
}

/// A chunk in memory, which goes back to its allocator with the value.
final class HeldChunk: Sendable {
    let chunk: ChunkRef
    let memory: Memory
    private let whole: MutableMemory
    private let allocator: any ChunkAllocator

    init(_ chunk: ChunkRef, copying memory: Memory, _ allocator: any ChunkAllocator) throws(SnapshotError) {
        self.chunk = chunk
        self.allocator = allocator
        whole = try allocator.allocate(byteCount: chunk.byteCount)
        whole.buffer.copyMemory(from: memory.buffer)
        self.memory = Memory(whole[0..<chunk.byteCount])
    }

    deinit { allocator.free(whole) }
}

private final class MemoryLease: SnapshotLease {
    let id: SnapshotID
    let manifest: SnapshotManifest
    private let store: MemorySnapshotStore

    init(id: SnapshotID, manifest: SnapshotManifest, store: MemorySnapshotStore) {
        self.id = id
        self.manifest = manifest
        self.store = store
    }

    deinit {
        store.state.withLock { state in for chunk in manifest.distinctChunks { state.unpin(chunk.hash) } }
    }
}

private final class MemoryUpload: SnapshotUpload {
    private let store: MemorySnapshotStore
    private let state = Lock<(pinned: Set<ContentHash>, failure: SnapshotError?, hasEnded: Bool)>(([], nil, false))

    init(_ store: MemorySnapshotStore) { self.store = store }

    deinit { unpin() }

    func keep(_ chunk: ChunkRef) async throws(SnapshotError) -> Bool {
        try pin(chunk)
        return store.held(chunk) != nil
    }

    private func pin(_ chunk: ChunkRef) throws(SnapshotError) {
        try state.withLock { (state) throws(SnapshotError) in
            if let failure = state.failure { throw failure }
            guard !state.hasEnded else { throw SnapshotError(.invalidArgument, "the upload has ended") }
            if state.pinned.insert(chunk.hash).inserted { store.state.withLock { $0.pin(chunk.hash) } }
        }
    }

    private func unpin() {
        let pinned = state.withLock { state -> Set<ContentHash> in
            defer { (state.pinned, state.hasEnded) = ([], true) }
            return state.pinned
        }
        store.state.withLock { state in for hash in pinned { state.unpin(hash) } }
    }

    func put(_ chunk: ChunkRef, _ memory: Memory) async throws(SnapshotError) -> Bool {
        try pin(chunk)
        do throws(SnapshotError) {
            if let base = store.base, try await base.holds([chunk])[0] { return false }
            return try store.add(chunk, memory)
        } catch {
            state.withLock { $0.failure = $0.failure ?? error }
            throw error
        }
    }

    func commit(_ manifest: SnapshotManifest) async throws(SnapshotError) -> SnapshotID {
        for chunk in manifest.distinctChunks { try pin(chunk) }
        let id = try await store.commit(manifest)
        unpin()
        return id
    }

    func abandon() async { unpin() }
}
