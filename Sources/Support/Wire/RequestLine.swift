/// `method SP request-target SP HTTP-version` (RFC 9112 section 3).
struct RequestLine: Sendable {
    let method: HTTPMethod
    let target: Range<Int>
    let minorVersion: Int

    /// Parses the line at `line`, in which the caller has found no control byte.
    init(_ line: Range<Int>, in buffer: Span<UInt8>, limits: Limits) throws(WireError) {
        var end = line.lowerBound
        while end < line.upperBound, ASCII.isToken(buffer[end]) { end &+= 1 }
        guard end > line.lowerBound, end < line.upperBound, buffer[end] == ASCII.space else {
            throw WireError(
                .malformedRequestLine, "the request line is not a method, one space and a target", offset: end)
        }
        let methodRange = line.lowerBound..<end
        let targetStart = end + 1
        guard let targetEnd = buffer.firstIndex(of: ASCII.space, in: targetStart..<line.upperBound) else {
            throw WireError(.malformedRequestLine, "the request line has no version", offset: line.upperBound)
        }
        target = targetStart..<targetEnd
        minorVersion = try Self.parseVersion((targetEnd + 1)..<line.upperBound, in: buffer)
        guard target.count <= limits.targetBytes else {
            throw WireError(
                .targetTooLong, "the request target is longer than \(limits.targetBytes) bytes", offset: targetStart)
        }
        method = Self.method(methodRange, in: buffer)
        try Self.checkTarget(target, method: method, in: buffer)
    }

    /// Common methods without making a new string.
    private static func method(_ range: Range<Int>, in buffer: Span<UInt8>) -> HTTPMethod {
        if buffer.equals(range, literal: "POST") { return .post }
        if buffer.equals(range, literal: "GET") { return .get }
        return HTTPMethod(unchecked: buffer.string(range))
    }

    private static func parseVersion(_ range: Range<Int>, in buffer: Span<UInt8>) throws(WireError) -> Int {
        if buffer.equals(range, literal: "HTTP/1.1") { return 1 }
        if buffer.equals(range, literal: "HTTP/1.0") { return 0 }
        let at = range.lowerBound
        let looksLikeVersion =
            range.count == 8 && buffer.equals(at..<(at + 5), literal: "HTTP/") && ASCII.isDigit(buffer[at + 5])
            && buffer[at + 6] == UInt8(ascii: ".") && ASCII.isDigit(buffer[at + 7])
        guard looksLikeVersion else {
            throw WireError(
                .malformedRequestLine, "the request line does not end in one space and HTTP/1.0 or HTTP/1.1",
                offset: at)
        }
        throw WireError(.unsupportedVersion, "only HTTP/1.0 and HTTP/1.1 are spoken here", offset: at)
    }

    /// RFC 9112 section 3.2. Any visible ASCII but `#` passes inside a target: clients send more than RFC 3986 allows,
    /// and none of it can be mistaken for framing.
    private static func checkTarget(
        _ target: Range<Int>, method: HTTPMethod, in buffer: Span<UInt8>
    ) throws(WireError) {
        guard let first = target.first else {
            throw WireError(
                .malformedRequestLine, "the request target is empty: there are two spaces in a row",
                offset: target.lowerBound)
        }
        for index in target where buffer[index] >= 0x7F || buffer[index] == UInt8(ascii: "#") {
            throw WireError(
                .malformedRequestLine, "the request target holds \(ASCII.show(buffer[index]))", offset: index)
        }
        if buffer[first] == UInt8(ascii: "/") { return }
        if method.name == "CONNECT" {
            throw WireError(.unsupportedMethod, "CONNECT is not offered here", offset: first)
        }
        if buffer.equals(target, literal: "*") {
            if method == .options { return }
        } else if isAbsolute(target, in: buffer) {
            return
        }
        throw WireError(
            .malformedRequestLine, "the request target is neither a path that begins with '/' nor an http URL",
            offset: first)
    }

    /// `http://host...` or `https://host...`, with something that is not a path as the host.
    private static func isAbsolute(_ target: Range<Int>, in buffer: Span<UInt8>) -> Bool {
        for scheme in ["http://", "https://"] {
            let start = target.lowerBound + scheme.utf8.count
            guard start < target.upperBound, buffer.equalsIgnoringCase(target.lowerBound..<start, scheme) else {
                continue
            }
            var end = start
            while end < target.upperBound, buffer[end] != UInt8(ascii: "/"), buffer[end] != UInt8(ascii: "?") {
                end += 1
            }
            return HostRule.isHost(start..<end, in: buffer) && start < end
        }
        return false
    }
}
