import Glibc

/// Reads whole small files.
enum ConfigurationFile {
    /// A configuration larger than this is surely the wrong file.
    static let mostBytes = 4 << 20

    static func load(_ path: String) throws(ConfigurationError) -> GatewayConfiguration {
        try GatewayConfiguration.load(file: path, bytes: try read(path))
    }

    static func read(_ path: String) throws(ConfigurationError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path, "cannot be opened: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = Glibc.read(descriptor, &piece, piece.count)
            if count == 0 { return bytes }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure(path, "cannot be read: \(String(cString: strerror(errno)))") }
            bytes.append(contentsOf: piece[..<count])
            guard bytes.count <= mostBytes else { throw failure(path, "is longer than \(mostBytes) bytes") }
        }
    }

    private static func failure(_ path: String, _ message: String) -> ConfigurationError {
        ConfigurationError(file: path, line: 1, column: 1, message: "the file \(message)")
    }
}
