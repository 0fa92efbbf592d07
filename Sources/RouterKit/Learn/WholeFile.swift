import Glibc

/// Reads whole files of bounded length.
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

    private static func failure(_ path: String, _ what: String) -> LearnFileError {
        LearnFileError(path: path, detail: "\(what): \(String(cString: strerror(errno)))")
    }
}
