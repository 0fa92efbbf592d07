/// A place that keeps snapshots: chunks by their hash, each once, and manifests by theirs.
///
/// All calls may be made from any task, many at a time. A chunk or snapshot that was never committed is never seen, and
/// one that was committed is never half there. `checkSnapshotStore` of `GPUServeKitTesting` tests an implementation.
public protocol SnapshotStore: Sendable {
    /// What errors and reports call it: `directory /var/snapshots`. Holds no secret.
    var name: String { get }

    /// The committed snapshots, by identifier. Damaged ones are listed with `problem`.
    func list() async throws(SnapshotError) -> [SnapshotSummary]

    /// The manifest of a snapshot, its checksum checked. Throws `snapshotMissing` or `manifestCorrupt`.
    func manifest(_ id: SnapshotID) async throws(SnapshotError) -> SnapshotManifest

    /// Opens a snapshot to be read: as long as the lease lives, neither `delete` nor `collectGarbage`, by whatever process,
    /// takes its chunks away. Throws what `manifest` throws.
    func lease(_ id: SnapshotID) async throws(SnapshotError) -> any SnapshotLease

    /// For each chunk whether the store holds it.
    func holds(_ chunks: [ChunkRef]) async throws(SnapshotError) -> [Bool]

    /// Fills `memory`, which has the chunk's length or more, with a chunk, and checks its fast checksum.
    ///
    /// Throws `chunkMissing` or `chunkCorrupt`, with the chunk named; what `memory` holds then is undefined.
    func read(_ chunk: ChunkRef, into memory: MutableMemory) async throws(SnapshotError)

    /// Fills `memory`, which has the range's length, with a part of a chunk. **Nothing is checked**: the checksum is that of
    /// the whole.
    func read(_ chunk: ChunkRef, range: Range<Int>, into memory: MutableMemory) async throws(SnapshotError)

    /// Puts the bytes of a chunk that the store holds damaged back in its place. True when it was damaged and is whole now;
    /// false when there was nothing to do, or the store cannot do it. The bytes must have the chunk's hash.
    @discardableResult
    func repair(_ chunk: ChunkRef, _ memory: Memory) async throws(SnapshotError) -> Bool

    /// Begins to add a snapshot. Throws `readOnly` where nothing can be added.
    func begin() async throws(SnapshotError) -> any SnapshotUpload

    /// Makes a snapshot invisible. Its chunks go with the next `collectGarbage` once no lease holds them.
    /// Throws `snapshotMissing`.
    func delete(_ id: SnapshotID) async throws(SnapshotError)

    /// Removes every chunk that no snapshot, no lease and no upload refers to. References are counted from the manifests
    /// each time, so no crash can make the count wrong. Nothing is removed while a manifest cannot be read.
    @discardableResult
    func collectGarbage() async throws(SnapshotError) -> GarbageReport
}

extension SnapshotStore {
    /// Nothing: for stores whose chunks are replaced by another push.
    @discardableResult
    public func repair(_ chunk: ChunkRef, _ memory: Memory) async throws(SnapshotError) -> Bool { false }

    /// All bytes of a content, checked. Throws what `read` throws.
    public func bytes(of content: SnapshotManifest.Content) async throws(SnapshotError) -> [UInt8] {
        let buffer = PageBuffer(byteCount: content.chunks.map(\.byteCount).max() ?? 0)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(content.byteCount)
        for chunk in content.chunks {
            try await read(chunk, into: buffer.memory)
            withExtendedLifetime(buffer) { bytes += buffer.memory[0..<chunk.byteCount].buffer }
        }
        return bytes
    }
}

/// A snapshot held open. Dropping it gives it back.
public protocol SnapshotLease: AnyObject, Sendable {
    /// Which snapshot.
    var id: SnapshotID { get }
    /// Its manifest.
    var manifest: SnapshotManifest { get }
}

/// A snapshot being added. Nothing is visible before `commit`, and dropping the value, or the process's death, leaves
/// nothing behind but chunks that the next `collectGarbage` removes.
public protocol SnapshotUpload: AnyObject, Sendable {
    /// Whether the store already holds the chunk; if so it stays until this upload has ended.
    func keep(_ chunk: ChunkRef) async throws(SnapshotError) -> Bool

    /// Stores a chunk, unless the store has it already; false when it had. One that it has damaged is replaced. The bytes must have the chunk's checksum.
    /// Throws `storeFull`, `quotaExceeded`, ...; the upload has then failed and `commit` will refuse.
    @discardableResult
    func put(_ chunk: ChunkRef, _ memory: Memory) async throws(SnapshotError) -> Bool

    /// Makes the snapshot visible, all of it at once, after everything it refers to is safe. Throws `chunkMissing` when a
    /// chunk was neither put nor kept. Ends the upload; a snapshot that is there already is no error.
    func commit(_ manifest: SnapshotManifest) async throws(SnapshotError) -> SnapshotID

    /// Ends the upload without a snapshot. Chunks stay until the next `collectGarbage`, so that another try can keep them.
    func abandon() async
}

/// What a listing shows of a snapshot.
public struct SnapshotSummary: Sendable, Hashable {
    /// Its identifier.
    public var id: SnapshotID
    /// Its name for people.
    public var name: String
    /// Bytes of all contents.
    public var byteCount: Int
    /// Number of regions.
    public var regionCount: Int
    /// Why it cannot be used; nil when it can.
    public var problem: SnapshotError?

    /// A snapshot that can be used.
    public init(id: SnapshotID, manifest: SnapshotManifest) {
        self.id = id
        name = manifest.name
        byteCount = manifest.byteCount
        regionCount = manifest.regions.count
    }

    /// A snapshot that cannot.
    public init(id: SnapshotID, problem: SnapshotError) {
        self.id = id
        name = ""
        byteCount = 0
        regionCount = 0
        self.problem = problem
    }
}

/// What a collection of garbage did.
public struct GarbageReport: Sendable, Hashable {
    /// Chunks removed.
    public var removedChunkCount = 0
    /// Bytes given back.
    public var freedBytes = 0
    /// Chunks that something refers to.
    public var keptChunkCount = 0
    /// Traces of killed or failed writers removed.
    public var leftoverCount = 0

    /// Nothing done.
    public init() {}
}
