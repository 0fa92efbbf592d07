internal import Glibc

/// Makes images of processes smaller: pages that are all zero, which engines have plenty of in caches that are not yet filled, are
/// as good as not there, and every page that is there costs time at each wake.
///
/// For images that nobody uses yet: a crash in the middle leaves one that is good for nothing.
enum ImageTrimmer {
    /// Trims all processes of an image; one whose files are not understood stays as it is.
    ///
    /// - Returns: bytes that were saved. Blocks on the disk.
    @discardableResult
    static func trim(_ path: String) -> Int {
        guard let directory = try? Descriptor(openDirectory: path) else { return 0 }
        var saved = 0
        for name in (try? directory.names()) ?? [] where name.hasPrefix("pagemap-") && name.hasSuffix(".img") {
            guard let pid = UInt32(name.dropFirst(8).dropLast(4)) else { continue }
            saved += (try? trim(directory, pid)) ?? 0
        }
        return saved
    }

    private static let longestMapBytes = 64 << 20
    private static let files = SystemStoreFiles()

    /// Nil for files that are not understood.
    private static func trim(_ directory: Descriptor, _ pid: UInt32) throws(SnapshotError) -> Int? {
        let mapName = "pagemap-\(pid).img"
        guard let mapFile = try directory.file(mapName)?.contents(limit: longestMapBytes), var map = PageMap(mapFile),
            let memory = try directory.file("mm-\(pid).img")?.contents(limit: longestMapBytes),
            let anonymous = PageMap.anonymousRanges(memory)
        else { return nil }
        let pagesName = "pages-\(map.pagesID).img"
        let byteCount = map.presentCount * PageMap.pageBytes
        guard let source = try directory.file(pagesName), byteCount > 0, try source.status().st_size == byteCount,
            let mapped = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, source.number, 0), mapped != MAP_FAILED
        else { return nil }
        defer { munmap(mapped, byteCount) }
        let pages = UnsafeRawBufferPointer(start: mapped, count: byteCount)
        let kept = map.leaveOutZeroes(in: anonymous) { isZero(pages, $0) }
        let newPages = try files.create(pagesName + ".new", in: directory)
        var done = 0
        for run in kept {
            let range = run.lowerBound * PageMap.pageBytes..<run.upperBound * PageMap.pageBytes
            try files.write(Memory(UnsafeRawBufferPointer(rebasing: pages[range])), to: newPages, at: done)
            done += range.count
        }
        let newMap = try files.create(mapName + ".new", in: directory)
        try map.file.withMemory { (memory) throws(SnapshotError) in try files.write(memory, to: newMap, at: 0) }
        for name in [pagesName, mapName] {
            _ = try files.rename(name + ".new", in: directory, to: name, in: directory, replacing: true)
        }
        return byteCount - map.presentCount * PageMap.pageBytes
    }

    private static func isZero(_ pages: UnsafeRawBufferPointer, _ page: Int) -> Bool {
        let words = UnsafeRawBufferPointer(
            rebasing: pages[page * PageMap.pageBytes..<(page + 1) * PageMap.pageBytes]
        ).assumingMemoryBound(to: UInt64.self)
        return words.allSatisfy { $0 == 0 }
    }
}
