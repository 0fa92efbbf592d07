internal import Synchronization
internal import Transport
internal import Wire

/// A snapshot on its way into a directory store.
///
/// Its file under `uploads` names every chunk that it refers to, and is locked for as long as it lives: the collector
/// keeps what is named there, and forgets it when the lock is gone.
final class DirectoryUpload: SnapshotUpload {
    private struct State {
        /// Chunks that the collector has been told of.
        var pinned: Set<ContentHash> = []
        var pinBytes = 0
        /// Chunks that this upload has written, or is writing.
        var own: Set<ContentHash> = []
        var pack: PackWriter?
        var unfinishedBytes = 0
        var failure: SnapshotError?
        var hasEnded = false
    }

    private let store: DirectorySnapshotStore
    private let name: String
    private let pins: Descriptor
    private let state = Lock(State())

    init(_ store: DirectorySnapshotStore) throws(SnapshotError) {
        self.store = store
        let name = RandomName.make()
        self.name = name
        let layout = store.layout
        // That it fails costs only what it would have saved.
        do throws(SnapshotError) {
            for pack in try PackJournal.adopt(in: layout) { store.catalog.add(id: pack.id, entries: pack.entries) }
        } catch {}
        pins = try layout.withCollectorLock(exclusive: false) { () throws(SnapshotError) in
            let file = try layout.files.create(name, in: layout.uploads)
            guard try file.tryLock(exclusive: true) else {
                throw SnapshotError(.storeBusy, "a new file is locked by another", file: file.label)
            }
            return file
        }
    }

    deinit {
        store.giveBack(byteCount: state.withLock { $0.unfinishedBytes })
        // What is not sealed is lost with its lock; the collector removes it.
    }

    func keep(_ chunk: ChunkRef) async throws(SnapshotError) -> Bool {
        try await BlockingThreads.shared.run { [self] () throws(SnapshotError) in try pin([chunk])[0] }
    }

    /// Tells the collector of chunks, then looks whether the store holds them: in this order, and with the collector kept
    /// out, what is seen stays.
    private func pin(_ chunks: [ChunkRef]) throws(SnapshotError) -> [Bool] {
        try state.withLock { (state) throws(SnapshotError) -> [Bool] in
            try check(state)
            let layout = store.layout
            return try layout.withCollectorLock(exclusive: false) { () throws(SnapshotError) in
                var bytes: [UInt8] = []
                for chunk in chunks where !state.pinned.contains(chunk.hash) { bytes += chunk.hash.bytes }
                if !bytes.isEmpty {
                    try bytes.withMemory { (memory) throws(SnapshotError) in
                        try layout.files.write(memory, to: pins, at: state.pinBytes)
                    }
                    state.pinBytes += bytes.count
                    for chunk in chunks { state.pinned.insert(chunk.hash) }
                }
                try store.catalog.refresh()
                return chunks.map { chunk in
                    if state.own.contains(chunk.hash) { return true }
                    return store.catalog.location(chunk.hash).map { !store.damage.contains($0) } ?? false
                }
            }
        }
    }

    func put(_ chunk: ChunkRef, _ memory: Memory) async throws(SnapshotError) -> Bool {
        try await BlockingThreads.shared.run { [self] () throws(SnapshotError) in try write(chunk, memory) }
    }

    private func write(_ chunk: ChunkRef, _ memory: Memory) throws(SnapshotError) -> Bool {
        try chunk.verify(memory, in: "memory")
        let isHeld = try pin([chunk])[0]
        do throws(SnapshotError) {
            // What is there already is looked at: a snapshot must not come to rest on a damaged chunk.
            if let location = store.catalog.location(chunk.hash) { return try store.mend(location, memory) }
            guard !isHeld else { return false }
            guard let (pack, entry, full) = try reserve(chunk) else { return false }
            if let full { try seal(full) }
            var isWritten = false
            defer { if !isWritten { _ = pack.ended(entry, isWritten: false) } }
            try pack.write(entry, memory)
            isWritten = true
            if pack.ended(entry, isWritten: true) { try seal(pack) }
            return true
        } catch {
            state.withLock { $0.failure = $0.failure ?? error }
            throw error
        }
    }

    /// Room for a chunk, and the pack before it if that was full and nobody writes to it any more; nil when another task
    /// has come first with the same chunk.
    private func reserve(
        _ chunk: ChunkRef
    ) throws(SnapshotError) -> (pack: PackWriter, entry: PackEntry, full: PackWriter?)? {
        try state.withLock { (state) throws(SnapshotError) -> (PackWriter, PackEntry, PackWriter?)? in
            try check(state)
            guard state.own.insert(chunk.hash).inserted else { return nil }
            let byteCount = chunk.byteCount.roundedUp(to: PageBuffer.alignment)
            try store.take(byteCount: byteCount)
            state.unfinishedBytes += byteCount
            var full: PackWriter?
            if let pack = state.pack, pack.byteCount >= store.limits.packBytes {
                if pack.close() { full = pack }
                state.pack = nil
            }
            let pack: PackWriter
            if let open = state.pack {
                pack = open
            } else {
                let layout = store.layout
                pack = try layout.withCollectorLock(exclusive: false) { () throws(SnapshotError) in
                    try PackWriter(layout)
                }
                state.pack = pack
            }
            guard let entry = pack.reserve(chunk) else { preconditionFailure("the open pack is closed") }
            return (pack, entry, full)
        }
    }

    private func seal(_ pack: PackWriter) throws(SnapshotError) {
        let entries = try pack.seal()
        store.catalog.add(id: pack.id, entries: entries)
        let byteCount = entries.reduce(0) { $0 + $1.span.count }
        state.withLock { $0.unfinishedBytes -= byteCount }
        store.giveBack(byteCount: byteCount)
    }

    private func sealLast() throws(SnapshotError) {
        let last = state.withLock { state -> PackWriter? in
            defer { state.pack = nil }
            return state.pack.flatMap { $0.close() ? $0 : nil }
        }
        if let last { try seal(last) }
    }

    func commit(_ manifest: SnapshotManifest) async throws(SnapshotError) -> SnapshotID {
        try await BlockingThreads.shared.run { [self] () throws(SnapshotError) in
            let (bytes, id) = try manifest.encoded(limits: store.limits)
            try sealLast()
            let chunks = manifest.distinctChunks
            if let index = try pin(chunks).firstIndex(of: false) {
                throw SnapshotError(
                    .chunkMissing, "chunk \(chunks[index].hash) was neither put nor is it in the store",
                    file: store.path)
            }
            let layout = store.layout
            // Visible and no longer pinned in one step, as the collector sees it.
            try layout.withCollectorLock(exclusive: false) { () throws(SnapshotError) in
                try publish(bytes, id)
                try end()
            }
            return id
        }
    }

    private func publish(_ bytes: [UInt8], _ id: SnapshotID) throws(SnapshotError) {
        let layout = store.layout
        let name = "\(id).json"
        guard !(try layout.publish(bytes, as: name, in: layout.snapshots, replacing: false)) else { return }
        // There already. Left as it is, since leases hold that very file; unless it is damaged.
        let found = try layout.snapshots.file(name)?.contents(limit: store.limits.manifestBytes)
        if found != bytes { try layout.publish(bytes, as: name, in: layout.snapshots, replacing: true) }
    }

    func abandon() async {
        do throws(SnapshotError) {
            try await BlockingThreads.shared.run { [self] () throws(SnapshotError) in
                // Whole packs help the next try; that this fails is no news after a failure.
                try sealLast()
                try end()
            }
        } catch {
            state.withLock { $0.hasEnded = true }
        }
    }

    private func end() throws(SnapshotError) {
        state.withLock { $0.hasEnded = true }
        try store.layout.files.remove(name, in: store.layout.uploads)
    }

    private func check(_ state: State) throws(SnapshotError) {
        if let failure = state.failure { throw failure }
        guard !state.hasEnded else { throw SnapshotError(.invalidArgument, "the upload has ended") }
    }
}
