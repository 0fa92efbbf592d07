/// Bytes that the kernel has not taken yet, oldest first. Small pieces are joined so that a thousand tiny events for a
/// slow reader do not become a thousand buffers.
struct OutboundQueue {
    private static let joinBytes = 16 * 1024

    private var segments: [[UInt8]] = []
    /// Segments before this one are sent.
    private var first = 0
    /// Bytes of the first segment that are sent.
    private var sent = 0
    /// Bytes queued.
    private(set) var byteCount = 0

    var isEmpty: Bool { byteCount == 0 }

    /// Queues `bytes` from `offset` on, without copying them where they are large.
    mutating func append(_ bytes: [UInt8], from offset: Int = 0) {
        let count = bytes.count - offset
        guard count > 0 else { return }
        byteCount += count
        if let last = segments.indices.last, last >= first, segments[last].count + count <= Self.joinBytes {
            segments[last].append(contentsOf: bytes[offset...])
        } else if segments.count == first {
            // Nothing else is queued, so the offset can stand for what was sent already.
            removeAllSegments()
            segments.append(bytes)
            sent = offset
        } else {
            segments.append(offset == 0 ? bytes : Array(bytes[offset...]))
        }
    }

    /// Hands out the oldest bytes; `body` says how many of them were taken, or a negative error.
    mutating func sendFirst(_ body: (UnsafeRawBufferPointer) -> Int) -> Int {
        precondition(!isEmpty, "nothing to send")
        let start = sent
        let taken = segments[first].withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[start...])) }
        if taken > 0 { consume(taken) }
        return taken
    }

    private mutating func consume(_ count: Int) {
        byteCount -= count
        sent += count
        precondition(sent <= segments[first].count, "more sent than offered")
        guard sent == segments[first].count else { return }
        segments[first] = []
        first += 1
        sent = 0
        if first == segments.count {
            removeAllSegments()
        } else if first > 64 {
            segments.removeFirst(first)
            first = 0
        }
    }

    /// Drops everything.
    mutating func removeAll() {
        removeAllSegments()
        byteCount = 0
    }

    private mutating func removeAllSegments() {
        segments.removeAll()
        first = 0
        sent = 0
    }
}
