import Glibc

/// Reads a file line by line in bounded memory. Confines the file descriptor.
struct LineReader: ~Copyable {
    /// What came next.
    enum Line {
        /// Whole line without its line feed, in ``LineReader/bytes``.
        case line(Range<Int>)
        /// A line longer than the bound; its bytes are gone.
        case tooLong
    }

    /// Holds the current line.
    private(set) var bytes: [UInt8] = []
    private var next = 0
    private var isAtEnd = false
    private let path: String
    private let descriptor: Int32
    private let longestLineBytes: Int
    private var piece = [UInt8](repeating: 0, count: 256 * 1024)

    init(path: String, longestLineBytes: Int) throws(LogError) {
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw LogError(.read, path) }
        self.path = path
        self.longestLineBytes = longestLineBytes
    }

    deinit { close(descriptor) }

    /// The next line; `nil` at the file's end. A last line without a line feed is a line.
    mutating func nextLine() throws(LogError) -> Line? {
        var searched = next
        var isTooLong = false
        while true {
            if let end = lineFeed(from: searched) {
                let range = next..<end
                next = end + 1
                return isTooLong || range.count > longestLineBytes ? .tooLong : .line(range)
            }
            if bytes.count - next > longestLineBytes {
                isTooLong = true
                next = bytes.count
            }
            if isAtEnd {
                let range = next..<bytes.count
                next = bytes.count
                if isTooLong { return .tooLong }
                return range.isEmpty ? nil : .line(range)
            }
            // What was there before has been searched already.
            searched = try fill()
        }
    }

    private func lineFeed(from start: Int) -> Int? {
        bytes.withUnsafeBytes { buffer in
            guard start < buffer.count, let base = buffer.baseAddress,
                let found = memchr(base + start, 0x0A, buffer.count - start)
            else { return nil }
            return UnsafeRawPointer(found) - base
        }
    }

    /// Drops what was read and appends a piece of the file; returns where the piece begins.
    private mutating func fill() throws(LogError) -> Int {
        bytes.removeFirst(next)
        next = 0
        let start = bytes.count
        var count = -1
        repeat {
            count = piece.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
        } while count < 0 && errno == EINTR
        if count < 0 { throw LogError(.read, path) }
        bytes.append(contentsOf: piece[..<count])
        isAtEnd = count == 0
        return start
    }
}
