import Glibc

/// Reads whole files of bounded length, and writes whole files that nobody ever sees half of.
public enum WholeFile {
    /// The bytes of `path`, at most `mostBytes` of them.
    public static func read(_ path: String, mostBytes: Int) throws(LearnFileError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path, "cannot be opened") }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = Glibc.read(descriptor, &piece, piece.count)
            if count == 0 { return bytes }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure(path, "cannot be read") }
            bytes.append(contentsOf: piece[..<count])
            guard bytes.count <= mostBytes else {
                throw LearnFileError(path: path, detail: "is longer than \(mostBytes) bytes")
            }
        }
    }

    /// Puts a file of `bytes` in the place of `path`: written beside it under a name of its own, so that two writers do
    /// not meet, made durable, then renamed.
    ///
    /// - Parameters:
    ///   - mode: the new file's permissions.
    ///   - keepsPrevious: what was there stays as `path.previous`, unless it is the same.
    public static func write(
        _ bytes: [UInt8], to path: String, mode: UInt32, keepsPrevious: Bool = false
    ) throws(LearnFileError) {
        var template = Array("\(path).XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw failure(path, "cannot be written") }
        let beside = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        do throws(LearnFileError) {
            defer { close(descriptor) }
            try fill(descriptor, bytes, path)
            guard fchmod(descriptor, mode) == 0, fsync(descriptor) == 0 else {
                throw failure(path, "cannot be written")
            }
            if keepsPrevious, (try? read(path, mostBytes: bytes.count)) != bytes { try keep(path, beside: beside) }
            guard rename(beside, path) == 0 else { throw failure(path, "cannot be written") }
        } catch {
            unlink(beside)
            throw error
        }
    }

    private static func fill(_ descriptor: Int32, _ bytes: [UInt8], _ path: String) throws(LearnFileError) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + written, $0.count - written) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure(path, "cannot be written") }
            written += count
        }
    }

    /// Gives the file at `path` a second name, so that there is a file at `path` all the time.
    private static func keep(_ path: String, beside: String) throws(LearnFileError) {
        let second = beside + ".previous"
        if link(path, second) != 0 {
            if errno == ENOENT { return }
            throw failure(path, "cannot be kept as \(path).previous")
        }
        if rename(second, path + ".previous") != 0 {
            let failure = failure(path, "cannot be kept as \(path).previous")
            unlink(second)
            throw failure
        }
        // When both names were of one file already, renaming did nothing and left the second one.
        unlink(second)
    }

    private static func failure(_ path: String, _ what: String) -> LearnFileError {
        LearnFileError(path: path, detail: "\(what): \(String(cString: strerror(errno)))")
    }
}
