/// Finds and checks the final response head (RFC 9112 sections 4 to 6), as strictly as `RequestParser` does requests:
/// a gateway that reads a response other than its neighbours do can be made to mix up answers.
///
/// Interim heads (1xx) are skipped; they and the final head share one bound. The caller keeps the received bytes; the
/// parser remembers how far it has looked, so feeding a head byte by byte gives the same result or the same error as
/// feeding it whole.
public struct ResponseHeadParser: Sendable {
    /// A complete head.
    public struct Parsed: Sendable {
        /// The final head.
        public let head: ResponseHead
        /// Bytes at the front of the buffer that it and the interim heads before it took; the body follows them.
        public let consumed: Int
    }

    private struct StatusLine {
        let status: Int
        let minorVersion: Int
    }

    private let limits: Limits
    private let isHeadAnswer: Bool
    /// Where the current head begins: past the interim ones.
    private var headStart = 0
    /// First byte of the line being looked for.
    private var lineStart = 0
    /// Bytes before this one are known to hold no end of that line.
    private var scanned = 0
    private var statusLine: StatusLine?
    private var entries: [HTTPFields.Entry] = []
    private var rules = ResponseFramingRules()

    /// A parser for the answer to one request.
    ///
    /// - Parameter isHeadAnswer: whether the request was HEAD, whose answer has no body whatever its fields say.
    public init(limits: Limits = .standard, isHeadAnswer: Bool = false) {
        self.limits = limits
        self.isHeadAnswer = isHeadAnswer
    }

    /// Looks for a final head at the front of `buffer`, which holds all bytes since the request, earlier ones included.
    ///
    /// Returns nil when more bytes are needed. After an error the connection is of no more use.
    public mutating func parse(_ buffer: Span<UInt8>) throws(WireError) -> Parsed? {
        while let end = try endOfLine(in: buffer) {
            let line = lineStart..<end
            lineStart = end + 2
            scanned = lineStart
            guard let statusLine else {
                statusLine = try Self.parseStatusLine(line, in: buffer)
                entries.reserveCapacity(16)
                continue
            }
            guard line.isEmpty else {
                try parseField(line, in: buffer, minorVersion: statusLine.minorVersion)
                continue
            }
            if statusLine.status >= 200 { return finish(statusLine, in: buffer) }
            guard statusLine.status != 101 else {
                throw WireError(
                    .malformedStatusLine, "the upstream switches protocols unasked (101)", offset: headStart)
            }
            headStart = lineStart
            self.statusLine = nil
            entries.removeAll(keepingCapacity: true)
            rules = ResponseFramingRules()
        }
        return nil
    }

    /// Where the CR LF of the current line stands, or nil when it has not arrived. The first fault from the left wins,
    /// so that the outcome does not depend on how the bytes were cut into packets.
    private mutating func endOfLine(in buffer: Span<UInt8>) throws(WireError) -> Int? {
        if statusLine == nil { try checkVersion(in: buffer) }
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
            case ASCII.tab:
                scanned = found + 1
            case ASCII.lineFeed:
                throw malformed("a line that ends in LF without CR", at: found)
            default:
                throw malformed(ASCII.show(buffer[found]), at: found)
            }
        }
    }

    /// Looks at the first bytes as soon as they are there: something that is not HTTP may never send a line's end.
    private func checkVersion(in buffer: Span<UInt8>) throws(WireError) {
        for (offset, wanted) in "HTTP/1.".utf8.enumerated() where lineStart + offset < buffer.count {
            guard buffer[lineStart + offset] == wanted else {
                throw WireError(
                    .malformedStatusLine, "the answer does not begin with HTTP/1.0 or HTTP/1.1",
                    offset: lineStart + offset)
            }
        }
    }

    private func checkLength(upTo end: Int) throws(WireError) {
        if end >= limits.responseHeadBytes {
            throw WireError(
                .headTooLarge, "the response head is longer than \(limits.responseHeadBytes) bytes",
                offset: limits.responseHeadBytes)
        }
    }

    private func malformed(_ what: String, at offset: Int) -> WireError {
        if statusLine == nil {
            return WireError(.malformedStatusLine, "the status line holds \(what)", offset: offset)
        }
        return WireError(.malformedField, "a field line holds \(what)", offset: offset)
    }

    /// `HTTP/1.1 200 OK`. A server that leaves out the reason may leave out the blank before it too.
    private static func parseStatusLine(
        _ line: Range<Int>, in buffer: Span<UInt8>
    ) throws(WireError) -> StatusLine {
        let start = line.lowerBound
        guard line.count >= 12, buffer[start + 8] == ASCII.space, line.count == 12 || buffer[start + 12] == ASCII.space
        else {
            throw WireError(
                .malformedStatusLine, "the status line is not a version, one space and a status of three digits",
                offset: start)
        }
        // `checkVersion` has seen what stands before the minor version.
        let minorVersion = Int(buffer[start + 7]) - 0x30
        guard minorVersion == 0 || minorVersion == 1 else {
            throw WireError(.malformedStatusLine, "the version is neither HTTP/1.0 nor HTTP/1.1", offset: start + 7)
        }
        var status = 0
        for index in start + 9..<start + 12 {
            guard ASCII.isDigit(buffer[index]) else {
                throw WireError(
                    .malformedStatusLine, "the status holds \(ASCII.show(buffer[index]))", offset: index)
            }
            status = status * 10 + Int(buffer[index] - 0x30)
        }
        guard status >= 100, status < 600 else {
            throw WireError(.malformedStatusLine, "the status \(status) is outside 100 to 599", offset: start + 9)
        }
        return StatusLine(status: status, minorVersion: minorVersion)
    }

    private mutating func parseField(
        _ line: Range<Int>, in buffer: Span<UInt8>, minorVersion: Int
    ) throws(WireError) {
        let entry = try FieldLine.parse(line, in: buffer)
        guard entries.count < limits.fieldCount else {
            throw WireError(
                .tooManyFields, "the response has more than \(limits.fieldCount) fields", offset: line.lowerBound)
        }
        entries.append(entry)
        try rules.note(entry, in: buffer, minorVersion: minorVersion)
    }

    private func finish(_ line: StatusLine, in buffer: Span<UInt8>) -> Parsed {
        // Interim heads stay in the storage, unnamed: entries are offsets from the buffer's front.
        var storage: [UInt8] = []
        storage.reserveCapacity(lineStart)
        storage.append(buffer.extracting(0..<lineStart))
        let framing = rules.framing(status: line.status, isHeadAnswer: isHeadAnswer)
        return Parsed(
            head: ResponseHead(
                status: line.status, fields: HTTPFields(storage: storage, entries: entries),
                minorVersion: line.minorVersion, framing: framing,
                keepAlive: framing != .untilClose && rules.keepAlive(minorVersion: line.minorVersion)),
            consumed: lineStart)
    }
}
