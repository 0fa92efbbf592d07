internal import Glibc
internal import Wire

/// Removes what nothing refers to from a directory store. Runs with the collector's lock held alone, so that nobody adds
/// references meanwhile; readers go on, protected by the locks of their leases.
struct GarbageCollector {
    private let layout: StoreLayout
    private let catalog: PackCatalog
    /// False for a rehearsal, which counts and changes nothing.
    private let removes: Bool
    private var report = GarbageReport()
    private var live: Set<ContentHash> = []

    init(layout: StoreLayout, catalog: PackCatalog, removes: Bool = true) {
        self.layout = layout
        self.removes = removes
        self.catalog = catalog
    }

    mutating func run() throws(SnapshotError) -> GarbageReport {
        // Marked before anything goes: a manifest that cannot be read stops everything here.
        try markSnapshots()
        try markTrash()
        try markUploads()
        try removeLocked(in: layout.temporary)
        if removes { try countCollection() }
        try sweep()
        if removes { try catalog.refresh(force: true) }
        return report
    }

    /// Other processes read everything again when they see this.
    private func countCollection() throws(SnapshotError) {
        var generation = (try catalog.generation() &+ 1).littleEndian
        let counted: Result<Void, SnapshotError> = withUnsafeBytes(of: &generation) { buffer in
            do throws(SnapshotError) {
                return .success(try layout.files.write(Memory(buffer), to: layout.collectorLock, at: 0))
            } catch {
                return .failure(error)
            }
        }
        try counted.get()
    }

    // MARK: What is alive

    private mutating func markSnapshots() throws(SnapshotError) {
        for name in try layout.snapshots.names() where name.hasSuffix(".json") {
            guard let hash = ContentHash(hex: name.dropLast(5)), let file = try layout.snapshots.file(name) else {
                continue
            }
            try mark(file, SnapshotID(hash))
        }
    }

    private mutating func markTrash() throws(SnapshotError) {
        for name in try layout.trash.names() {
            guard let file = try layout.trash.file(name) else { continue }
            // A lock is held until what it was taken for is done.
            defer { withExtendedLifetime(file) {} }
            if try file.tryLock(exclusive: true) {
                try remove(name, in: layout.trash)
            } else if let hash = ContentHash(hex: name.prefix(64)) {
                try mark(file, SnapshotID(hash))
            }
        }
    }

    private mutating func mark(_ file: Descriptor, _ id: SnapshotID) throws(SnapshotError) {
        let limits = layout.limits
        let bytes = try file.contents(limit: limits.manifestBytes)
        let manifest = try SnapshotManifest.decode(bytes, file: file.label, id: id, limits: limits).manifest
        for content in manifest.contents { for chunk in content.chunks { live.insert(chunk.hash) } }
    }

    private mutating func markUploads() throws(SnapshotError) {
        for name in try layout.uploads.names() {
            guard let file = try layout.uploads.file(name) else { continue }
            defer { withExtendedLifetime(file) {} }
            if try file.tryLock(exclusive: true) {
                try remove(name, in: layout.uploads)
                report.leftoverCount += 1
                continue
            }
            let bytes = try file.contents(limit: layout.limits.manifestBytes)
            for start in stride(from: 0, through: bytes.count - 32, by: 32) {
                if let hash = ContentHash(bytes: Array(bytes[start..<start + 32])) { live.insert(hash) }
            }
        }
    }

    /// Removes files that no living writer holds.
    private mutating func removeLocked(in directory: Descriptor) throws(SnapshotError) {
        for name in try directory.names() {
            guard let file = try directory.file(name), try file.tryLock(exclusive: true) else { continue }
            defer { withExtendedLifetime(file) {} }
            try remove(name, in: directory)
            report.leftoverCount += 1
        }
    }

    // MARK: What is not

    private mutating func sweep() throws(SnapshotError) {
        let names = Set(try layout.packs.names())
        for name in names.sorted() {
            if name.hasSuffix(".pack"), !names.contains(name.dropLast(5) + ".index") {
                try removeUnfinished(name)
            } else if name.hasSuffix(".index") {
                try sweep(pack: String(name.dropLast(6)))
            }
        }
        if removes { try layout.files.sync(layout.packs) }
    }

    private func remove(_ name: String, in directory: Descriptor) throws(SnapshotError) {
        if removes { try layout.files.remove(name, in: directory) }
    }

    private mutating func removeUnfinished(_ name: String) throws(SnapshotError) {
        guard let file = try layout.packs.file(name), try file.tryLock(exclusive: true) else { return }
        defer { withExtendedLifetime(file) {} }
        // Finished since the names were read?
        guard try layout.packs.file(name.dropLast(5) + ".index") == nil else { return }
        let byteCount = Int(try file.status().st_blocks) * 512
        try remove(name, in: layout.packs)
        report.freedBytes += byteCount
        report.leftoverCount += 1
    }

    private mutating func sweep(pack id: String) throws(SnapshotError) {
        let entries: [PackEntry]
        do throws(SnapshotError) {
            guard let loaded = try catalog.load(id) else { return }
            entries = loaded
        } catch {
            // A damaged index: what it held cannot be told, so it stays for someone to look at.
            guard error.code != .system else { throw error }
            return
        }
        let kept = entries.filter { live.contains($0.chunk.hash) }
        report.keptChunkCount += kept.count
        report.removedChunkCount += entries.count - kept.count
        if kept.isEmpty {
            // The index first: no index ever names a pack that is gone.
            let byteCount = Int(try layout.packs.file(id + ".pack")?.status().st_blocks ?? 0) * 512
            try remove(id + ".index", in: layout.packs)
            try remove(id + ".pack", in: layout.packs)
            report.freedBytes += byteCount
        } else if !removes {
            let gone = entries.filter { !live.contains($0.chunk.hash) }
            report.freedBytes += gone.reduce(0) { $0 + $1.span.count }
        } else {
            if kept.count < entries.count {
                try layout.publish(PackIndex.encode(kept), as: id + ".index", in: layout.packs, replacing: true)
            }
            try punchHoles(id, around: kept)
        }
    }

    /// Gives back everything between the kept chunks, also what an interrupted collection left there.
    private mutating func punchHoles(_ id: String, around kept: [PackEntry]) throws(SnapshotError) {
        guard let pack = try layout.packs.file(id + ".pack", writable: true) else { return }
        let before = try pack.status()
        var end = 0
        for entry in kept.sorted(by: { $0.offset < $1.offset }) {
            if entry.offset > end { try layout.files.punchHole(end..<entry.offset, in: pack) }
            end = max(end, entry.span.upperBound)
        }
        if Int(before.st_size) > end { try layout.files.punchHole(end..<Int(before.st_size), in: pack) }
        report.freedBytes += max(0, Int(before.st_blocks - (try pack.status()).st_blocks) * 512)
    }
}
