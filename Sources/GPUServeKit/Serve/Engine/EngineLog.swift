internal import Glibc
internal import Wire

/// The file that an engine prints into. The engine holds it open itself, so that it can print while nobody reads and goes on
/// when this program ends; its length is bounded by cutting its beginning off now and then.
struct EngineLog: Sendable {
    let path: String
    let limitBytes: Int

    init(path: String, limits: Limits) {
        self.path = path
        limitBytes = limits.engineLogBytes
    }

    /// The last lines, at most `lineCount` of them and 64 KiB; less what is no text.
    func tail(lineCount: Int) -> [String] {
        var lines = last(64 * 1024).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true)
        if lines.count > lineCount { lines.removeFirst(lines.count - lineCount) }
        return lines.map { Self.printable($0) }
    }

    /// Cuts a log that is longer than the limit to its last quarter. What the engine prints in that very moment is lost.
    func trim() {
        let file = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { return }
        defer { close(file) }
        var info = stat()
        guard fstat(file, &info) == 0, Int(info.st_size) > limitBytes else { return }
        var kept = last(limitBytes / 4)
        if let newline = kept.firstIndex(of: UInt8(ascii: "\n")) { kept.removeFirst(newline + 1) }
        guard ftruncate(file, 0) == 0 else { return }
        _ = kept.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, 0) }
    }

    /// The end of the file.
    func last(_ byteCount: Int) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { return [] }
        defer { close(file) }
        var info = stat()
        guard fstat(file, &info) == 0 else { return [] }
        let start = max(0, Int(info.st_size) - byteCount)
        var bytes = [UInt8](repeating: 0, count: Int(info.st_size) - start)
        let got = bytes.withUnsafeMutableBytes { pread(file, $0.baseAddress, $0.count, off_t(start)) }
        bytes.removeLast(bytes.count - max(0, got))
        return bytes
    }

    private static func printable(_ line: ArraySlice<UInt8>) -> String {
        let text = String(decoding: line.prefix(400), as: UTF8.self).unicodeScalars
        return String(String.UnicodeScalarView(text.map { $0.value < 0x20 || $0.value == 0x7F ? " " : $0 }))
    }
}
