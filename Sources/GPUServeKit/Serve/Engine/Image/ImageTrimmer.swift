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
    static func trim(_ directory: String) -> Int {
        guard let stream = opendir(directory) else { return 0 }
        defer { closedir(stream) }
        var saved = 0
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name.hasPrefix("pagemap-"), name.hasSuffix(".img"), let pid = UInt32(name.dropFirst(8).dropLast(4))
            else { continue }
            saved += trim(directory, pid) ?? 0
        }
        return saved
    }

    private static let longestMapBytes = 64 << 20

    private static func trim(_ directory: String, _ pid: UInt32) -> Int? {
        let mapPath = "\(directory)/pagemap-\(pid).img"
        guard let mapFile = ProcessStat.read(mapPath, limit: longestMapBytes), var map = PageMap(mapFile),
            let memory = ProcessStat.read("\(directory)/mm-\(pid).img", limit: longestMapBytes),
            let anonymous = PageMap.anonymousRanges(memory)
        else { return nil }
        let pagesPath = "\(directory)/pages-\(map.pagesID).img"
        let source = open(pagesPath, O_RDONLY | O_CLOEXEC)
        guard source >= 0 else { return nil }
        defer { close(source) }
        let byteCount = map.presentCount * PageMap.pageBytes
        var info = stat()
        guard byteCount > 0, fstat(source, &info) == 0, Int(info.st_size) == byteCount,
            let mapped = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, source, 0), mapped != MAP_FAILED
        else { return nil }
        defer { munmap(mapped, byteCount) }
        let pages = UnsafeRawBufferPointer(start: mapped, count: byteCount)
        let kept = map.leaveOutZeroes(in: anonymous) { isZero(pages, $0) }
        guard write(kept, of: pages, to: pagesPath + ".new"), write(map.file, to: mapPath + ".new"),
            rename(pagesPath + ".new", pagesPath) == 0, rename(mapPath + ".new", mapPath) == 0
        else { return nil }
        return byteCount - map.presentCount * PageMap.pageBytes
    }

    private static func isZero(_ pages: UnsafeRawBufferPointer, _ page: Int) -> Bool {
        let words = UnsafeRawBufferPointer(
            rebasing: pages[page * PageMap.pageBytes..<(page + 1) * PageMap.pageBytes]
        ).assumingMemoryBound(to: UInt64.self)
        return words.allSatisfy { $0 == 0 }
    }

    private static func write(_ kept: [Range<Int>], of pages: UnsafeRawBufferPointer, to path: String) -> Bool {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { return false }
        defer { close(file) }
        for run in kept {
            let range = run.lowerBound * PageMap.pageBytes..<run.upperBound * PageMap.pageBytes
            guard writeAll(UnsafeRawBufferPointer(rebasing: pages[range]), to: file) else { return false }
        }
        return true
    }

    private static func write(_ bytes: [UInt8], to path: String) -> Bool {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { return false }
        defer { close(file) }
        return bytes.withUnsafeBytes { writeAll($0, to: file) }
    }

    private static func writeAll(_ bytes: UnsafeRawBufferPointer, to file: Int32) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = Glibc.write(file, bytes.baseAddress! + done, bytes.count - done)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }
}
