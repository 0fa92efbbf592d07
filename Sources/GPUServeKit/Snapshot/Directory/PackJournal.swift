internal import Glibc
internal import Synchronization
internal import Transport
internal import Wire

/// What an unfinished pack holds so far, in `temporary/ID.journal`: an entry as in its index for each chunk that has been
/// written. When the writer is killed the next upload finishes the pack, so that an interrupted pull fetches nothing twice
/// but what was on its way.
///
/// Nothing is synced here: each chunk that is taken over is read again and has to have its hash.
final class PackJournal: Sendable {
    private static let suffix = ".journal"

    private let file: Descriptor
    private let name: String
    private let layout: StoreLayout
    private let count = Atomic<Int>(0)

    /// Call with the collector's lock held, so that it does not find the file before its lock.
    init(_ id: String, _ layout: StoreLayout) throws(SnapshotError) {
        self.layout = layout
        name = id + PackJournal.suffix
        file = try layout.files.create(name, in: layout.temporary)
        guard try file.tryLock(exclusive: true) else {
            throw SnapshotError(.storeBusy, "a new file is locked by another", file: file.label)
        }
    }

    /// Notes a chunk that is in the pack.
    func note(_ entry: PackEntry) throws(SnapshotError) {
        let index = count.wrappingAdd(1, ordering: .relaxed).oldValue
        try PackIndex.record(entry).withMemory { (memory) throws(SnapshotError) in
            try layout.files.write(memory, to: file, at: index * PackIndex.entryBytes)
        }
    }

    /// The pack is finished.
    func remove() throws(SnapshotError) { try layout.files.remove(name, in: layout.temporary) }

    // MARK: After a writer was killed

    /// Finishes the packs of killed writers with what is whole of them, and returns these packs. Several processes may do it
    /// at once.
    static func adopt(in layout: StoreLayout) throws(SnapshotError) -> [(id: String, entries: [PackEntry])] {
        var adopted: [(id: String, entries: [PackEntry])] = []
        for name in try layout.temporary.names() where name.hasSuffix(suffix) {
            let id = String(name.dropLast(suffix.utf8.count))
            // The locks, once held, keep the collector off both files.
            let orphan = try layout.withCollectorLock(exclusive: false) { () throws(SnapshotError) in
                try lock(name, id, layout)
            }
            guard let orphan else { continue }
            defer {
                orphan.pack?.unlock()
                orphan.journal.unlock()
            }
            if let pack = orphan.pack {
                let entries = try whole(of: pack, orphan.journal, layout.limits)
                if entries.isEmpty {
                    try layout.files.remove(id + ".pack", in: layout.packs)
                } else {
                    try layout.files.sync(pack)
                    try layout.publish(PackIndex.encode(entries), as: id + ".index", in: layout.packs, replacing: true)
                    adopted.append((id, entries))
                }
            }
            try layout.files.remove(name, in: layout.temporary)
        }
        return adopted
    }

    /// The two files, locked; without a pack when it is finished or gone. Nil when somebody has them.
    private static func lock(
        _ name: String, _ id: String, _ layout: StoreLayout
    ) throws(SnapshotError) -> (journal: Descriptor, pack: Descriptor?)? {
        guard let journal = try layout.temporary.file(name), try journal.tryLock(exclusive: true),
            try journal.isLinked()
        else { return nil }
        guard let pack = try layout.packs.file(id + ".pack", writable: true),
            try layout.packs.file(id + ".index") == nil
        else { return (journal, nil) }
        guard try pack.tryLock(exclusive: true) else { return nil }
        return (journal, pack)
    }

    /// The entries whose chunks have their hash, in order of their places.
    private static func whole(
        of pack: Descriptor, _ journal: Descriptor, _ limits: Limits
    ) throws(SnapshotError) -> [PackEntry] {
        let packBytes = Int(try pack.status().st_size)
        let bytes = try journal.contents(limit: packBytes / PageBuffer.alignment * PackIndex.entryBytes + 4096)
        let buffer = PageBuffer(byteCount: limits.chunkBytes)
        defer { withExtendedLifetime(buffer) {} }
        var entries: [PackEntry] = []
        for at in stride(from: 0, through: bytes.count - PackIndex.entryBytes, by: PackIndex.entryBytes) {
            guard let entry = PackIndex.entry(bytes, at: at, packBytes: packBytes),
                entry.chunk.byteCount <= limits.chunkBytes
            else { continue }
            let memory = buffer.memory[0..<entry.chunk.byteCount]
            guard read(pack, at: entry.offset, into: memory), ContentHash(of: Memory(memory)) == entry.chunk.hash,
                Checksum.crc64(Memory(memory)) == entry.chunk.crc64
            else { continue }
            entries.append(entry)
        }
        return entries.sorted { $0.offset < $1.offset }
    }

    private static func read(_ file: Descriptor, at offset: Int, into memory: MutableMemory) -> Bool {
        var done = 0
        while done < memory.count {
            let count = pread(file.number, memory.base! + done, memory.count - done, off_t(offset + done))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }
}
