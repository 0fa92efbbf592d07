/// One event of a stream, read where it lies: fields are ranges in the raw bytes (WHATWG HTML, section 9.2.6:
/// interpreting an event stream).
public struct ServerSentEvent: Sendable {
    /// The event as received, with its empty line.
    public let raw: [UInt8]
    /// Where the value of the last `event` field lies, if there is one.
    public private(set) var eventRange: Range<Int>?
    /// Where the value of the first `data` field lies, if there is one.
    private var firstData: Range<Int>?
    /// Number of `data` fields.
    public private(set) var dataLineCount = 0
    /// Whether there are comments (pings) and no fields: nothing a client would dispatch.
    public private(set) var isComment = false

    /// Reads the bytes of one event, such as `ServerSentEventSplitter.next` gives. Every input has a reading.
    public init(parsing raw: [UInt8]) {
        self.raw = raw
        var comments = 0
        var fields = 0
        Self.forEachLine(of: raw.span) { span, line in
            if line.isEmpty { return }
            let colon = span.firstIndex(of: ASCII.colon, in: line) ?? line.upperBound
            if colon == line.lowerBound {
                comments += 1
                return
            }
            fields += 1
            let name = line.lowerBound..<colon
            if span.equals(name, literal: "data") {
                dataLineCount += 1
                if dataLineCount == 1 { firstData = Self.value(after: colon, to: line.upperBound, in: span) }
            } else if span.equals(name, literal: "event") {
                eventRange = Self.value(after: colon, to: line.upperBound, in: span)
            }
        }
        isComment = comments > 0 && fields == 0
    }

    /// The value of the last `event` field; nil when there is none, which means "message".
    public var event: String? { eventRange.map { raw.span.string($0) } }

    /// Where the data lies when it is on one line, as it is from every known model server; nil with no or several
    /// `data` fields.
    public var dataRange: Range<Int>? { dataLineCount == 1 ? firstData : nil }

    /// The data: the values of all `data` fields with LF between them. A copy; `dataRange` avoids it.
    public var data: [UInt8] {
        if let dataRange { return [UInt8](raw[dataRange]) }
        var joined: [UInt8] = []
        var first = true
        Self.forEachLine(of: raw.span) { span, line in
            let colon = span.firstIndex(of: ASCII.colon, in: line) ?? line.upperBound
            guard span.equals(line.lowerBound..<colon, literal: "data") else { return }
            if !first { joined.append(ASCII.lineFeed) }
            first = false
            joined.append(span.extracting(Self.value(after: colon, to: line.upperBound, in: span)))
        }
        return joined
    }

    /// Whether the data begins with `[DONE]`, which ends an OpenAI stream: the official client looks no further.
    public var isDone: Bool {
        guard let firstData, firstData.count >= 6 else { return false }
        return raw.span.equals(firstData.lowerBound..<(firstData.lowerBound + 6), literal: "[DONE]")
    }

    /// What follows the colon, less one space.
    private static func value(after colon: Int, to end: Int, in span: Span<UInt8>) -> Range<Int> {
        var start = min(colon + 1, end)
        if start < end, span[start] == ASCII.space { start += 1 }
        return start..<end
    }

    /// Calls `body` for each line, without its ending. A byte order mark at the front is skipped.
    private static func forEachLine(of span: Span<UInt8>, _ body: (Span<UInt8>, Range<Int>) -> Void) {
        var start = 0
        if span.count >= 3, span[0] == 0xEF, span[1] == 0xBB, span[2] == 0xBF { start = 3 }
        while start < span.count {
            let end = span.firstLineBreak(from: start) ?? span.count
            body(span, start..<end)
            start = end + 1
            if end + 1 < span.count, span[end] == ASCII.carriageReturn, span[end + 1] == ASCII.lineFeed { start += 1 }
        }
    }
}
