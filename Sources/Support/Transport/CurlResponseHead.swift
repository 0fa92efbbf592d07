import Wire

/// Collects response heads from the lines that libcurl reports, skipping interim ones. Pure.
struct CurlResponseHead {
    private(set) var status = 0
    private(set) var version = UpstreamHTTPVersion.http1_1
    private var fields = HTTPFields()
    private var sawStatusLine = false
    private var headBytes = 0
    private var length: Int?
    private let limits: Limits

    init(limits: Limits) { self.limits = limits }

    /// The collected fields, once.
    mutating func takeFields() -> HTTPFields {
        let taken = fields
        fields = HTTPFields()
        return taken
    }

    /// Takes one line with its line ending; true when it ends the final head.
    ///
    /// Throws `responseHeadTooLarge` (all heads of one response, interim ones included, share one bound) or
    /// `protocolError`.
    mutating func append(line: Span<UInt8>) throws(TransportError) -> Bool {
        headBytes += line.count
        guard headBytes <= limits.responseHeadBytes else {
            throw TransportError(
                .responseHeadTooLarge, "the response head is longer than \(limits.responseHeadBytes) bytes")
        }
        var end = line.count
        if end > 0, line[end - 1] == 0x0A { end -= 1 }
        if end > 0, line[end - 1] == 0x0D { end -= 1 }
        let content = line.extracting(0..<end)
        if !sawStatusLine {
            try parseStatusLine(content)
            return false
        }
        guard content.isEmpty else {
            try parseField(content)
            return false
        }
        if status >= 200 { return true }
        guard status != 101 else { throw TransportError(.protocolError, "the upstream switched protocols unasked") }
        sawStatusLine = false
        length = nil
        fields = HTTPFields()
        return false
    }

    /// `HTTP/1.1 200 OK`, `HTTP/2 200 ` (RFC 9112 section 4; libcurl writes the latter itself).
    private mutating func parseStatusLine(_ line: Span<UInt8>) throws(TransportError) {
        var digits = 8
        if line.starts("HTTP/1.1 ") {
            version = .http1_1
            digits = 9
        } else if line.starts("HTTP/1.0 ") {
            version = .http1_0
            digits = 9
        } else if line.starts("HTTP/2 ") {
            version = .http2
            digits = 7
        } else {
            throw TransportError(.protocolError, "the upstream's status line is not HTTP/1.0, HTTP/1.1 or HTTP/2")
        }
        guard line.count >= digits + 3, line.count == digits + 3 || line[digits + 3] == 0x20 else {
            throw TransportError(.protocolError, "the upstream's status is not a number of three digits")
        }
        var number = 0
        for index in digits..<digits + 3 {
            let digit = line[index] &- 0x30
            guard digit < 10 else {
                throw TransportError(.protocolError, "the upstream's status is not a number of three digits")
            }
            number = number * 10 + Int(digit)
        }
        guard number >= 100, number < 600 else {
            throw TransportError(.protocolError, "the upstream's status \(number) is outside 100 to 599")
        }
        status = number
        sawStatusLine = true
    }

    /// Two lengths that differ mean that someone on the way sees another message than we do (RFC 9112 section 6.3).
    private mutating func checkLength(_ value: Span<UInt8>) throws(TransportError) {
        var number = 0
        for index in value.indices {
            let byte = value[index]
            if byte == 0x20 || byte == 0x09 { continue }
            let (tenfold, overflow) = number.multipliedReportingOverflow(by: 10)
            guard byte &- 0x30 < 10, !overflow, tenfold <= Int.max - 9 else {
                throw TransportError(.protocolError, "the response's Content-Length is not a number")
            }
            number = tenfold + Int(byte &- 0x30)
        }
        guard length == nil || length == number else {
            throw TransportError(.protocolError, "the response has two Content-Length fields that differ")
        }
        length = number
    }

    private mutating func parseField(_ line: Span<UInt8>) throws(TransportError) {
        guard fields.count < limits.fieldCount else {
            throw TransportError(.responseHeadTooLarge, "the response has more than \(limits.fieldCount) fields")
        }
        var colon = 0
        while colon < line.count, line[colon] != 0x3A { colon += 1 }
        guard colon < line.count else {
            throw TransportError(.protocolError, "a field line of the response has no colon")
        }
        if colon == 14, line.startsIgnoringCase("content-length") {
            try checkLength(line.extracting(colon + 1..<line.count))
        }
        do throws(WireError) {
            try fields.append(name: line.extracting(0..<colon), value: line.extracting(colon + 1..<line.count))
        } catch {
            // The detail names the kind of byte, never the value.
            throw TransportError(.protocolError, "a field line of the response is malformed: \(error.detail)")
        }
    }
}

extension Span<UInt8> {
    fileprivate func starts(_ prefix: StaticString) -> Bool {
        guard count >= prefix.utf8CodeUnitCount else { return false }
        return prefix.withUTF8Buffer { wanted in
            for index in wanted.indices where self[index] != wanted[index] { return false }
            return true
        }
    }
    fileprivate func startsIgnoringCase(_ lowercased: StaticString) -> Bool {
        guard count >= lowercased.utf8CodeUnitCount else { return false }
        return lowercased.withUTF8Buffer { wanted in
            for index in wanted.indices where self[index] | 0x20 != wanted[index] | 0x20 { return false }
            return true
        }
    }
}
