/// Received bytes that nobody has used yet: a partial head, the start of a body, pipelined requests.
///
/// Most requests come in one piece, are parsed straight out of the loop's shared receive buffer and never touch this
/// one; it gives its memory back when empty, so that an idle connection holds no buffer.
struct InputBuffer {
    private var bytes: [UInt8] = []
    private var start = 0

    var isEmpty: Bool { bytes.isEmpty }
    var count: Int { bytes.count - start }

    /// Shows the bytes not yet used.
    func withSpan<Result, E: Error>(_ body: (Span<UInt8>) throws(E) -> Result) throws(E) -> Result {
        try body(bytes.span.extracting(start..<bytes.count))
    }

    /// Adds received bytes.
    mutating func append(_ more: Span<UInt8>) {
        guard !more.isEmpty else { return }
        if start > 0 {
            bytes.removeFirst(start)
            start = 0
        }
        more.withUnsafeBufferPointer { bytes.append(contentsOf: $0) }
    }

    /// Drops used bytes from the front.
    mutating func consume(_ count: Int) {
        start += count
        precondition(start <= bytes.count, "more used than received")
        if start == bytes.count { removeAll() }
    }

    /// Hands over the bytes themselves when they are exactly `count`; nil, changing nothing, when they are not.
    mutating func takeWhole(_ count: Int) -> [UInt8]? {
        guard start == 0, bytes.count == count else { return nil }
        defer { removeAll() }
        return bytes
    }

    /// Drops everything and gives the memory back.
    mutating func removeAll() {
        bytes = []
        start = 0
    }
}
