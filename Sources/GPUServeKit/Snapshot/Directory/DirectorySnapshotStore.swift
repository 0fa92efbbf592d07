internal import Glibc
internal import Synchronization
internal import Transport
public import Wire

/// Snapshots in a directory of this machine, shared safely by any number of processes.
///
/// Chunks lie in packs (see `Pack`), files have mode 0600 and directories 0700, symbolic links inside are refused. A commit
/// is a rename after everything is on disk. Locks are those of `flock`, so they end with a killed process; put the directory
/// on a local file system, where `flock` and `rename` hold.
public final class DirectorySnapshotStore: SnapshotStore {
    /// Where the store is.
    public let path: String
    /// `directory PATH`.
    public var name: String { "directory \(path)" }

    let layout: StoreLayout
    let catalog: PackCatalog
    let limits: Limits
    let damage = DamagedChunks()
    private let quotaBytes: Int?
    /// Bytes that uploads of this process have given out and not yet finished.
    private let unfinishedBytes = Atomic<Int>(0)

    /// Opens the store at `path`, or makes one there when the directory is missing (its parent must be there) or empty.
    ///
    /// - Parameter quotaBytes: the most that chunks may take on disk; nil for what the disk has.
    /// - Throws: `notAStore`, `storeTooNew`, `unsafePath`, `accessDenied`, `storeFull` or `system`.
    public convenience init(
        path: String, quotaBytes: Int? = nil, limits: Limits = .standard
    ) throws(SnapshotError) {
        try self.init(path: path, quotaBytes: quotaBytes, limits: limits, files: SystemStoreFiles())
    }

    init(path: String, quotaBytes: Int?, limits: Limits, files: any StoreFiles) throws(SnapshotError) {
        self.path = path
        self.quotaBytes = quotaBytes
        self.limits = limits
        layout = try StoreLayout(path: path, files: files, limits: limits)
        catalog = PackCatalog(directory: layout.packs, collectorLock: layout.collectorLock, limits: limits)
        try catalog.refresh()
    }

    /// Bytes that finished packs take.
    public var storedBytes: Int { catalog.storedBytes }

    // MARK: Snapshots

    /// See `SnapshotStore.list`.
    public func list() async throws(SnapshotError) -> [SnapshotSummary] {
        try await BlockingThreads.shared.run { [self] () throws(SnapshotError) in
            var summaries: [SnapshotSummary] = []
            for name in try layout.snapshots.names() where name.hasSuffix(".json") {
                guard let hash = ContentHash(hex: name.dropLast(5)) else { continue }
                let id = SnapshotID(hash)
                do throws(SnapshotError) {
                    guard let file = try layout.snapshots.file(name) else { continue }
                    summaries.append(SnapshotSummary(id: id, manifest: try read(file, id)))
                } catch {
                    summaries.append(SnapshotSummary(id: id, problem: error))
                }
            }
            return summaries
        }
    }

    /// See `SnapshotStore.manifest`.
    public func manifest(_ id: SnapshotID) async throws(SnapshotError) -> SnapshotManifest {
        try await BlockingThreads.shared.run { [self] () throws(SnapshotError) in try read(try open(id), id) }
    }

    /// See `SnapshotStore.lease`.
    public func lease(_ id: SnapshotID) async throws(SnapshotError) -> any SnapshotLease {
        try await directoryLease(id)
    }

    /// A lease that also knows where the chunks lie, or those that are `wanting`. A manifest that the caller knows, which its
    /// name vouches for, is not read again.
    func directoryLease(
        _ id: SnapshotID, knowing known: SnapshotManifest? = nil,
        wanting: @escaping @Sendable (SnapshotManifest) -> [ChunkRef] = { $0.distinctChunks }
    ) async throws(SnapshotError) -> DirectoryLease {
        try await BlockingThreads.shared.run { [self] () throws(SnapshotError) in
            let file = try open(id)
            // The collector locks a deleted manifest alone before it removes it; once locked here, it must still be there.
            guard try file.tryLock(exclusive: false), try file.isLinked() else { throw missing(id) }
            let manifest = if let known { known } else { try read(file, id) }
            return DirectoryLease(
                id: id, manifest: manifest, file: file, locations: try locate(wanting(manifest)))
        }
    }

    private func open(_ id: SnapshotID) throws(SnapshotError) -> Descriptor {
        guard let file = try layout.snapshots.file("\(id).json") else { throw missing(id) }
        return file
    }

    private func read(_ file: Descriptor, _ id: SnapshotID) throws(SnapshotError) -> SnapshotManifest {
        try SnapshotManifest.decode(
            try file.contents(limit: limits.manifestBytes), file: file.label, id: id, limits: limits
        ).manifest
    }

    private func missing(_ id: SnapshotID) -> SnapshotError {
        SnapshotError(.snapshotMissing, "there is no snapshot \(id) in this store", file: path)
    }

    /// See `SnapshotStore.delete`.
    public func delete(_ id: SnapshotID) async throws(SnapshotError) {
        try await BlockingThreads.shared.run { [self] () throws(SnapshotError) in
            // With the lock, so that the collector sees the manifest in one of the two places.
            try layout.withCollectorLock(exclusive: false) { () throws(SnapshotError) in
                _ = try open(id)
                _ = try layout.files.rename(
                    "\(id).json", in: layout.snapshots, to: "\(id).json.\(RandomName.make())", in: layout.trash,
                    replacing: true)
                try layout.files.sync(layout.snapshots)
            }
        }
    }

    // MARK: Chunks

    /// See `SnapshotStore.holds`.
    public func holds(_ chunks: [ChunkRef]) async throws(SnapshotError) -> [Bool] {
        try await BlockingThreads.shared.run { [self] () throws(SnapshotError) in
            try catalog.refresh()
            return chunks.map { catalog.location($0.hash) != nil }
        }
    }

    /// Where chunks lie; those that are missing are left out.
    func locate(_ chunks: [ChunkRef]) throws(SnapshotError) -> [ContentHash: ChunkLocation] {
        try catalog.refresh()
        if chunks.contains(where: { catalog.location($0.hash) == nil }) { try catalog.refresh(force: true) }
        var locations: [ContentHash: ChunkLocation] = [:]
        for chunk in chunks { locations[chunk.hash] = catalog.location(chunk.hash) }
        return locations
    }

    /// See `SnapshotStore.read`. Takes what is in the page cache from there and the rest past it.
    public func read(_ chunk: ChunkRef, into memory: MutableMemory) async throws(SnapshotError) {
        try await BlockingThreads.shared.run { [self] () throws(SnapshotError) in
            do throws(SnapshotError) {
                try readVerified(chunk, into: memory)
            } catch {
                // Collected by another process since the catalog was read? Then that is what to say.
                guard error.code == .chunkCorrupt || error.code == .chunkMissing else { throw error }
                let before = catalog.location(chunk.hash)
                try catalog.refresh(force: true)
                guard let now = catalog.location(chunk.hash) else { throw absent(chunk) }
                if before?.pack === now.pack, before?.offset == now.offset { throw error }
                try readVerified(chunk, into: memory)
            }
        }
    }

    func readVerified(_ chunk: ChunkRef, into memory: MutableMemory) throws(SnapshotError) {
        let location = try location(chunk)
        let target = memory[0..<chunk.byteCount]
        try location.pack.read(at: location.offset, into: target, mode: .adaptive)
        do throws(SnapshotError) {
            try chunk.verify(Memory(target), in: location.file(in: layout))
        } catch {
            damage.note(location)
            throw SnapshotError(error.code, error.detail, file: error.file, offset: location.offset)
        }
    }

    /// See `SnapshotStore.read`.
    public func read(_ chunk: ChunkRef, range: Range<Int>, into memory: MutableMemory) async throws(SnapshotError) {
        try await BlockingThreads.shared.run { [self] () throws(SnapshotError) in
            let location = try location(chunk)
            precondition(range.lowerBound >= 0 && range.upperBound <= chunk.byteCount, "a range outside the chunk")
            try location.pack.read(
                at: location.offset + range.lowerBound, into: memory[0..<range.count], mode: .adaptive)
        }
    }

    private func location(_ chunk: ChunkRef) throws(SnapshotError) -> ChunkLocation {
        if let location = catalog.location(chunk.hash) { return location }
        try catalog.refresh(force: true)
        guard let location = catalog.location(chunk.hash) else { throw absent(chunk) }
        return location
    }

    private func absent(_ chunk: ChunkRef) -> SnapshotError {
        let note = catalog.damaged.first.map { " (\($0))" } ?? ""
        return SnapshotError(.chunkMissing, "the store does not hold chunk \(chunk.hash)\(note)", file: path)
    }

    // MARK: Adding and removing

    /// See `SnapshotStore.begin`.
    public func begin() async throws(SnapshotError) -> any SnapshotUpload {
        try await BlockingThreads.shared.run { [self] () throws(SnapshotError) in try DirectoryUpload(self) }
    }

    /// See `SnapshotStore.collectGarbage`.
    @discardableResult
    public func collectGarbage() async throws(SnapshotError) -> GarbageReport {
        try await BlockingThreads.shared.run { [self] () throws(SnapshotError) in
            try layout.withCollectorLock(exclusive: true) { () throws(SnapshotError) in
                var collector = GarbageCollector(layout: layout, catalog: catalog)
                return try collector.run()
            }
        }
    }

    /// What `collectGarbage` would do now. Nothing is removed.
    public func previewGarbage() async throws(SnapshotError) -> GarbageReport {
        try await BlockingThreads.shared.run { [self] () throws(SnapshotError) in
            try layout.withCollectorLock(exclusive: true) { () throws(SnapshotError) in
                var collector = GarbageCollector(layout: layout, catalog: catalog, removes: false)
                return try collector.run()
            }
        }
    }

    /// Counts `byteCount` against the quota. Throws `quotaExceeded`.
    func take(byteCount: Int) throws(SnapshotError) {
        let unfinished = unfinishedBytes.wrappingAdd(byteCount, ordering: .relaxed).newValue
        guard let quotaBytes, catalog.storedBytes + unfinished > quotaBytes else { return }
        giveBack(byteCount: byteCount)
        throw SnapshotError(
            .quotaExceeded,
            "\(catalog.storedBytes) bytes are stored of \(quotaBytes) allowed, and \(byteCount) more do not fit: delete "
                + "snapshots and collect garbage", file: path)
    }

    func giveBack(byteCount: Int) { unfinishedBytes.wrappingSubtract(byteCount, ordering: .relaxed) }
}

/// A snapshot of a directory held open: its manifest is locked, shared, for as long as this lives.
final class DirectoryLease: SnapshotLease {
    let id: SnapshotID
    let manifest: SnapshotManifest
    private let file: Descriptor
    /// Where the chunks lie that were asked for. Chunks that the store has lost are not in it.
    let locations: [ContentHash: ChunkLocation]

    init(id: SnapshotID, manifest: SnapshotManifest, file: Descriptor, locations: [ContentHash: ChunkLocation]) {
        self.id = id
        self.manifest = manifest
        self.file = file
        self.locations = locations
    }
}
