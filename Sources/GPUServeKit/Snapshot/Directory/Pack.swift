internal import CPosix
internal import Glibc
internal import Synchronization
internal import Transport

/// A finished pack: chunks one after the other, each at a multiple of 4,096 bytes, padded with zeros.
///
/// Packs and not one file a chunk: a snapshot is written with a handful of fsyncs in place of hundreds, lies on disk in the
/// order in which it will be read, and is opened with a handful of calls; small tensors cost 4 KiB and no inode. Space comes
/// back by punching holes, so nothing is ever rewritten.
final class Pack: Sendable {
    /// `<id>` of `<id>.pack` and `<id>.index`.
    let id: String
    private let directory: Descriptor
    private let open = Lock<Open>(Open())

    private struct Open {
        var cached: Descriptor?
        var direct: Descriptor?
        var hasNoDirect = false
    }

    /// How bytes are fetched.
    enum Mode: Sendable {
        /// From the page cache what is there, the rest past it.
        case adaptive
        /// Through the page cache, which it fills.
        case cached
        /// Past the page cache.
        case direct
    }

    init(id: String, directory: Descriptor) {
        self.id = id
        self.directory = directory
    }

    /// The pack through the page cache. Opened at first use, so that a large store costs no descriptors.
    func file() throws(SnapshotError) -> Descriptor {
        try open.withLock { (open) throws(SnapshotError) -> Descriptor in
            if let file = open.cached { return file }
            guard let file = try directory.file(id + ".pack") else {
                throw SnapshotError(.chunkMissing, "the pack is gone", file: directory.label + "/" + id + ".pack")
            }
            open.cached = file
            return file
        }
    }

    /// The pack past the page cache; nil where the file system cannot.
    func directFile() throws(SnapshotError) -> Descriptor? {
        try open.withLock { (open) throws(SnapshotError) -> Descriptor? in
            if open.direct != nil || open.hasNoDirect { return open.direct }
            let label = directory.label + "/" + id + ".pack"
            let number = cposix_open_direct(directory.number, id + ".pack")
            if number >= 0 { open.direct = Descriptor(number, label: label) } else { open.hasNoDirect = true }
            return open.direct
        }
    }

    /// Fills `memory` from `offset`.
    ///
    /// Past the page cache needs all of address, offset and length to be multiples of 4,096, and falls back when one is not
    /// or the file system refuses. A chunk's padding makes the last multiple readable.
    func read(at offset: Int, into memory: MutableMemory, mode: Mode) throws(SnapshotError) {
        var done = 0
        if mode == .adaptive {
            let file = try file()
            while done < memory.count {
                let count = cposix_read_cached(
                    file.number, memory.base! + done, memory.count - done, Int64(offset + done))
                guard count > 0 else { break }
                done += count
            }
        }
        if done < memory.count, mode != .cached { try readDirect(at: offset, into: memory, &done) }
        let file = try file()
        while done < memory.count {
            let count = pread(file.number, memory.base! + done, memory.count - done, off_t(offset + done))
            if count < 0 {
                if errno == EINTR { continue }
                throw .system("pread", file: file.label)
            }
            guard count > 0 else {
                throw SnapshotError(.chunkCorrupt, "the pack ends early", file: file.label, offset: offset + done)
            }
            done += count
        }
    }

    private func readDirect(at offset: Int, into memory: MutableMemory, _ done: inout Int) throws(SnapshotError) {
        // Back to a multiple: the cache gives whole pages, but for the last.
        done = done / PageBuffer.alignment * PageBuffer.alignment
        guard UInt(bitPattern: memory.base) % UInt(PageBuffer.alignment) == 0, offset % PageBuffer.alignment == 0,
            let file = try directFile()
        else { return }
        let end = memory.count / PageBuffer.alignment * PageBuffer.alignment
        while done < end {
            let count = pread(file.number, memory.base! + done, end - done, off_t(offset + done))
            if count < 0, errno == EINTR { continue }
            // The way through the cache will say what is wrong, if anything is.
            guard count > 0, count % PageBuffer.alignment == 0 else { return }
            done += count
        }
    }
}

/// Where a chunk lies, for readers that bring their own threads. Valid while a lease holds the snapshot.
struct ChunkLocation: Sendable {
    let pack: Pack
    let offset: Int
    let chunk: ChunkRef
}
