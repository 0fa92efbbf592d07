internal import CPosix
internal import Glibc

/// Pages of a pack in the page cache that are to take the place of an arena's pages. Packs never change, so neither do pages of
/// them that are mapped; what is written to one becomes a private copy.
struct PageMapping {
    private let file: Descriptor
    private let offset: Int
    private let base: UnsafeMutableRawPointer
    private var byteCount: Int

    /// Of one chunk; nil when the page cache has not all of it (what is not cached is read faster past the cache), or when it
    /// does not begin with a page.
    init?(_ location: ChunkLocation, onto memory: MutableMemory) throws(SnapshotError) {
        byteCount = location.chunk.byteCount.roundedUp(to: PageBuffer.alignment)
        offset = location.offset
        file = try location.pack.file()
        guard let base = memory.base, UInt(bitPattern: base) % UInt(PageBuffer.alignment) == 0,
            offset % PageBuffer.alignment == 0, memory.count >= byteCount
        else { return nil }
        self.base = base
        var byte: UInt8 = 0
        for place in [0, location.chunk.byteCount - 1] {
            guard cposix_read_cached(file.number, &byte, 1, Int64(offset + place)) == 1 else { return nil }
        }
    }

    /// Takes in one that goes on where this ends, in the file and in memory: mapping pages costs as much a call as 50 KiB of
    /// them, and threads that map wait for each other.
    mutating func join(_ next: PageMapping) -> Bool {
        guard next.file === file, next.offset == offset + byteCount, next.base == base + byteCount else { return false }
        byteCount += next.byteCount
        return true
    }

    /// Puts the pages there. Who reads them first makes them present: asking the kernel to do it looks at each page once more.
    func put() -> Bool {
        mmap(base, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file.number, off_t(offset)) == base
    }

    /// Makes them present where nobody reads them soon. A kernel that does not know the call leaves it to the reader.
    func populate() { madvise(base, byteCount, MADV_POPULATE_READ) }
}
