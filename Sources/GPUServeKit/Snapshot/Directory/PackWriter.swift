internal import Synchronization
internal import Transport

/// A pack that is being written by one upload. Its lock, which dies with the process, tells the collector that it is no
/// leftover; its journal, that the next upload can go on with what a killed one has written.
final class PackWriter: Sendable {
    let id: String
    private let file: Descriptor
    private let journal: PackJournal
    private let layout: StoreLayout
    private let state = Lock(State())

    private struct State {
        var end = 0
        var entries: [PackEntry] = []
        var pendingCount = 0
        var isClosed = false
    }

    /// Call with the collector's lock held, so that it does not find the file before its lock.
    init(_ layout: StoreLayout) throws(SnapshotError) {
        self.layout = layout
        id = RandomName.make()
        file = try layout.files.create(id + ".pack", in: layout.packs)
        guard try file.tryLock(exclusive: true) else {
            throw SnapshotError(.storeBusy, "a new file is locked by another", file: file.label)
        }
        journal = try PackJournal(id, layout)
    }

    /// Bytes given out so far.
    var byteCount: Int { state.withLock { $0.end } }

    /// Gives out room for a chunk; nil once closed.
    func reserve(_ chunk: ChunkRef) -> PackEntry? {
        state.withLock { state in
            guard !state.isClosed else { return nil }
            let entry = PackEntry(chunk: chunk, offset: state.end)
            state.end = entry.span.upperBound
            state.pendingCount += 1
            return entry
        }
    }

    /// Writes a chunk into its room, with the padding, so that the file's length is a whole number of blocks.
    func write(_ entry: PackEntry, _ memory: Memory) throws(SnapshotError) {
        try layout.files.write(memory, to: file, at: entry.offset)
        let padding = entry.span.count - memory.count
        if padding > 0 {
            let zeros = [UInt8](repeating: 0, count: padding)
            let outcome: Result<Void, SnapshotError> = zeros.withUnsafeBytes { buffer in
                do throws(SnapshotError) {
                    return .success(try layout.files.write(Memory(buffer), to: file, at: entry.offset + memory.count))
                } catch {
                    return .failure(error)
                }
            }
            try outcome.get()
        }
        try journal.note(entry)
    }

    /// Notes that a write has ended. True when the pack is closed and this was the last one: the caller then seals it.
    func ended(_ entry: PackEntry, isWritten: Bool) -> Bool {
        state.withLock { state in
            state.pendingCount -= 1
            if isWritten { state.entries.append(entry) }
            return state.isClosed && state.pendingCount == 0
        }
    }

    /// Takes no more chunks. True when no write is on its way: the caller then seals it.
    func close() -> Bool {
        state.withLock { state in
            guard !state.isClosed else { return false }
            state.isClosed = true
            return state.pendingCount == 0
        }
    }

    /// Makes the chunks safe and visible: pack, then index, then the index's name. Returns what is in it.
    func seal() throws(SnapshotError) -> [PackEntry] {
        let entries = state.withLock { $0.entries }.sorted { $0.offset < $1.offset }
        guard !entries.isEmpty else {
            try layout.files.remove(id + ".pack", in: layout.packs)
            try journal.remove()
            return []
        }
        try layout.files.sync(file)
        try layout.publish(PackIndex.encode(entries), as: id + ".index", in: layout.packs, replacing: true)
        try journal.remove()
        return entries
    }
}
