/// Finds and checks one request head at a time (RFC 9112), strictly: what two servers could read differently is
/// refused, because that difference is what request smuggling lives on.
///
/// The caller keeps the received bytes; the parser remembers how far it has looked, so feeding a head byte by byte
/// costs no more than feeding it whole, and gives the same result or the same error.
public struct RequestParser: Sendable {
    /// A complete head.
    public struct Parsed: Sendable {
        /// The head.
        public let head: RequestHead
        /// Bytes at the front of the buffer that the head took; the body follows them.
        public let consumed: Int
    }

    /// RFC 9110 asks for methods of any length; no registered one is longer than 17.
    private static let methodBytes = 32

    private let limits: Limits
    /// First byte of the line being looked for.
    private var lineStart = 0
    /// Bytes before this one are known to hold no end of that line.
    private var scanned = 0
    private var requestLine: RequestLine?
    private var skippedEmptyLine = false
    private var entries: [HTTPFields.Entry] = []
    private var rules = FramingRules()

    /// A parser that refuses what goes beyond `limits`.
    public init(limits: Limits = .standard) {
        self.limits = limits
    }

    /// Forgets everything about the current head. A parser that returned a head has done so already.
    public mutating func reset() {
        self = RequestParser(limits: limits)
    }

    /// Looks for a head at the front of `buffer`, which holds all bytes not yet consumed, earlier ones included.
    ///
    /// Returns nil when more bytes are needed. After an error the connection is of no more use: where the next
    /// request would begin is not known.
    public mutating func parse(_ buffer: Span<UInt8>) throws(WireError) -> Parsed? {
        while let end = try endOfLine(in: buffer) {
            let line = lineStart..<end
            lineStart = end + 2
            scanned = lineStart
            if let requestLine {
                guard line.isEmpty else {
                    try parseField(line, in: buffer, minorVersion: requestLine.minorVersion)
                    continue
                }
                let head = try finish(requestLine, in: buffer)
                let consumed = lineStart
                reset()
                return Parsed(head: head, consumed: consumed)
            }
            if line.isEmpty, !skippedEmptyLine {
                // RFC 9112 section 2.2: one empty line before the request is forgiven.
                skippedEmptyLine = true
                continue
            }
            requestLine = try RequestLine(line, in: buffer, limits: limits)
            entries.reserveCapacity(16)
        }
        return nil
    }

    /// Where the CR LF of the current line stands, or nil when it has not arrived.
    ///
    /// Looks at the bytes from left to right and lets the first fault win, so that the outcome does not depend on
    /// how the bytes were cut into packets.
    private mutating func endOfLine(in buffer: Span<UInt8>) throws(WireError) -> Int? {
        if requestLine == nil, lineStart < buffer.count {
            let first = buffer[lineStart]
            guard ASCII.isToken(first) || first == ASCII.carriageReturn else {
                throw WireError(
                    .malformedRequestLine, "a request begins with a method, not with \(ASCII.show(first))",
                    offset: lineStart)
            }
        }
        while true {
            let found = buffer.firstControl(from: scanned)
            try checkLength(upTo: found ?? buffer.count)
            guard let found else {
                scanned = buffer.count
                return nil
            }
            scanned = found
            switch buffer[found] {
            case ASCII.carriageReturn:
                guard found + 1 < buffer.count else { return nil }
                guard buffer[found + 1] == ASCII.lineFeed else {
                    throw malformed("a CR that no LF follows", at: found)
                }
                try checkLength(upTo: found + 1)
                return found
            case ASCII.tab where requestLine != nil:
                scanned = found + 1
            case ASCII.lineFeed:
                throw malformed("a line that ends in LF without CR", at: found)
            default:
                throw malformed("\(ASCII.show(buffer[found]))", at: found)
            }
        }
    }

    /// Refuses a line or head that is too long, when everything before `end` belongs to it.
    private func checkLength(upTo end: Int) throws(WireError) {
        if requestLine == nil {
            let longest = Self.methodBytes + limits.targetBytes + " HTTP/1.1 ".utf8.count
            if end - lineStart > longest {
                throw WireError(
                    .targetTooLong, "the request line is longer than a target of \(limits.targetBytes) bytes allows",
                    offset: lineStart + longest)
            }
        }
        if end >= limits.requestHeadBytes {
            throw WireError(
                .headTooLarge, "the request head is longer than \(limits.requestHeadBytes) bytes",
                offset: limits.requestHeadBytes)
        }
    }

    private func malformed(_ what: String, at offset: Int) -> WireError {
        if requestLine == nil {
            return WireError(.malformedRequestLine, "the request line holds \(what)", offset: offset)
        }
        return WireError(.malformedField, "a field line holds \(what)", offset: offset)
    }

    private mutating func parseField(
        _ line: Range<Int>, in buffer: Span<UInt8>, minorVersion: Int
    ) throws(WireError) {
        let entry = try FieldLine.parse(line, in: buffer)
        guard entries.count < limits.fieldCount else {
            throw WireError(
                .tooManyFields, "the head has more than \(limits.fieldCount) fields", offset: line.lowerBound)
        }
        entries.append(entry)
        try rules.note(
            name: entry.name, value: entry.value, in: buffer, minorVersion: minorVersion, limits: limits)
    }

    private mutating func finish(_ line: RequestLine, in buffer: Span<UInt8>) throws(WireError) -> RequestHead {
        try rules.finish(minorVersion: line.minorVersion, at: lineStart - 2)
        var storage: [UInt8] = []
        storage.reserveCapacity(lineStart)
        storage.append(buffer.extracting(0..<lineStart))
        return RequestHead(
            method: line.method, target: buffer.string(line.target),
            fields: HTTPFields(storage: storage, entries: entries), minorVersion: line.minorVersion,
            framing: rules.framing, keepAlive: rules.keepAlive(minorVersion: line.minorVersion),
            expectsContinue: rules.expectsContinue)
    }
}
