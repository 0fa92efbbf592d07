/// Cuts an event stream into events without changing a byte of it (WHATWG HTML, section 9.2.5: parsing an event
/// stream).
///
/// Lines end in LF, CR or CR LF; an event ends with an empty line, which belongs to it. All events and the remainder,
/// put together, are the input. A CR at the very end of what has arrived could still be followed by its LF, so the
/// event it ends is held until the next byte: where the cuts fall never depends on how the bytes were packed.
public struct ServerSentEventSplitter: Sendable {
    /// How far the bytes in the buffer have been understood.
    private struct Progress: Sendable {
        /// Where the event being received begins; complete events lie before it.
        var eventStart = 0
        /// Where the current line begins.
        var lineStart = 0
        /// Bytes before this one hold no end of that line.
        var scanned = 0
    }

    private let longest: Int
    /// What has arrived and was not dropped yet; see `nextRange`.
    public private(set) var buffer: [UInt8] = []
    /// Where the next event to be taken begins.
    public private(set) var taken = 0
    private var progress = Progress()
    /// Ends of the complete events not yet taken are `ends[nextEnd...]`.
    private var ends: [Int] = []
    private var nextEnd = 0

    /// A splitter that refuses events longer than `limits.sseEventBytes`.
    public init(limits: Limits = .standard) {
        longest = limits.sseEventBytes
    }

    /// Bytes held: complete events not yet taken, and the incomplete one.
    public var bufferedBytes: Int { buffer.count - taken }

    /// Takes in the next bytes of the stream.
    ///
    /// Throws `eventTooLarge` when one event is longer than the limit; events complete before it can still be taken,
    /// and nothing more may be appended.
    public mutating func append(_ bytes: Span<UInt8>) throws(WireError) {
        dropTaken()
        buffer.append(bytes)
        try scan()
    }

    /// Takes in the next bytes of the stream; same as for a span. Where nothing is held, the array itself is kept.
    public mutating func append(_ bytes: [UInt8]) throws(WireError) {
        dropTaken()
        if buffer.isEmpty { buffer = bytes } else { buffer.append(bytes.span) }
        try scan()
    }

    private mutating func scan() throws(WireError) {
        if !Self.scan(buffer, &progress, &ends, longest: longest) {
            throw WireError(.eventTooLarge, "a server-sent event is longer than \(longest) bytes")
        }
    }

    /// The next complete event with the empty line that ends it, exactly as received; nil when none is complete.
    public mutating func next() -> [UInt8]? { nextRange().map { [UInt8](buffer[$0]) } }

    /// Where the next complete event lies in `buffer`, until the next `append`; nil when none is complete.
    public mutating func nextRange() -> Range<Int>? {
        guard nextEnd < ends.count else { return nil }
        let event = taken..<ends[nextEnd]
        nextEnd += 1
        taken = event.upperBound
        return event
    }

    /// Everything not yet taken. At the end of the stream, after the last `next`, that is an event whose empty line
    /// never came, one that ended in a bare CR, or nothing.
    public mutating func takeRemainder() -> [UInt8] {
        dropTaken()
        defer {
            buffer = []
            progress = Progress()
            ends.removeAll(keepingCapacity: true)
        }
        return buffer
    }

    /// Frees the room of events already handed out.
    private mutating func dropTaken() {
        guard taken > 0 else { return }
        let dropped = taken
        // Not emptied in place: others may hold the array.
        if dropped == buffer.count { buffer = [] } else { buffer.removeSubrange(0..<dropped) }
        progress.eventStart -= dropped
        progress.lineStart -= dropped
        progress.scanned -= dropped
        ends.removeSubrange(0..<nextEnd)
        for index in ends.indices { ends[index] -= dropped }
        nextEnd = 0
        taken = 0
    }

    /// Looks for ends of events in the bytes not yet looked at. False when an event is too long.
    private static func scan(
        _ bytes: [UInt8], _ progress: inout Progress, _ ends: inout [Int], longest: Int
    ) -> Bool {
        let span = bytes.span
        while true {
            guard let found = span.firstLineBreak(from: progress.scanned) else {
                progress.scanned = span.count
                break
            }
            progress.scanned = found
            var lineEnd = found + 1
            if span[found] == ASCII.carriageReturn {
                guard lineEnd < span.count else { break }
                if span[lineEnd] == ASCII.lineFeed { lineEnd += 1 }
            }
            if found == progress.lineStart {
                guard lineEnd - progress.eventStart <= longest else { return false }
                ends.append(lineEnd)
                progress.eventStart = lineEnd
            }
            progress.lineStart = lineEnd
            progress.scanned = lineEnd
        }
        return span.count - progress.eventStart <= longest
    }
}
