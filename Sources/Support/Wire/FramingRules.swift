/// What the fields of a head say about its body and connection, gathered line by line (RFC 9112 sections 3.2, 6, 9.3).
struct FramingRules: Sendable {
    private var contentLength: Int?
    private var isChunked = false
    private var hasHost = false
    private var wantsClose = false
    private var wantsKeepAlive = false
    private(set) var expectsContinue = false

    /// Takes in one field line; fields that frame nothing pass.
    mutating func note(
        name: Range<Int>, value: Range<Int>, in buffer: Span<UInt8>, minorVersion: Int, limits: Limits
    ) throws(WireError) {
        // The length of a name tells nearly all fields apart before any byte is compared.
        switch name.count {
        case 4 where buffer.equalsIgnoringCase(name, literal: "host"):
            try noteHost(name: name, value: value, in: buffer)
        case 6 where buffer.equalsIgnoringCase(name, literal: "expect"):
            guard buffer.equalsIgnoringCase(value, literal: "100-continue") else {
                throw WireError(
                    .expectationFailed, "the only expectation met here is 100-continue", offset: value.lowerBound)
            }
            // RFC 9110 section 10.1.1: a 1.0 client is not sent a 100.
            expectsContinue = minorVersion > 0
        case 10 where buffer.equalsIgnoringCase(name, literal: "connection"):
            if buffer.equalsIgnoringCase(value, literal: "keep-alive") {
                wantsKeepAlive = true
                return
            }
            if buffer.list(value, contains: "close") { wantsClose = true }
            if buffer.list(value, contains: "keep-alive") { wantsKeepAlive = true }
        case 14 where buffer.equalsIgnoringCase(name, literal: "content-length"):
            try noteContentLength(value, in: buffer, limits: limits)
        case 17 where buffer.equalsIgnoringCase(name, literal: "transfer-encoding"):
            try noteTransferEncoding(name: name, value: value, in: buffer, minorVersion: minorVersion)
        default:
            break
        }
    }

    /// What can only be said when all fields are in.
    func finish(minorVersion: Int, at offset: Int) throws(WireError) {
        guard hasHost || minorVersion == 0 else {
            throw WireError(.missingHost, "an HTTP/1.1 request needs a Host field", offset: offset)
        }
    }

    var framing: BodyFraming {
        if isChunked { return .chunked }
        return contentLength.map { .length($0) } ?? .none
    }

    func keepAlive(minorVersion: Int) -> Bool {
        if wantsClose { return false }
        return minorVersion > 0 || wantsKeepAlive
    }

    private mutating func noteHost(
        name: Range<Int>, value: Range<Int>, in buffer: Span<UInt8>
    ) throws(WireError) {
        guard !hasHost else {
            throw WireError(.invalidHost, "there is more than one Host field", offset: name.lowerBound)
        }
        guard HostRule.isHost(value, in: buffer) else {
            throw WireError(.invalidHost, "Host is not a host with an optional port", offset: value.lowerBound)
        }
        hasHost = true
    }

    /// Digits only: no sign, no list, no blank. Repeating the same number is harmless and is accepted.
    private mutating func noteContentLength(
        _ value: Range<Int>, in buffer: Span<UInt8>, limits: Limits
    ) throws(WireError) {
        guard !isChunked else { throw Self.bothFramings(at: value.lowerBound) }
        guard !value.isEmpty, value.count <= 19 else {
            throw WireError(
                .invalidContentLength, "Content-Length is not a number of 1 to 19 digits", offset: value.lowerBound)
        }
        var length: UInt64 = 0  // 19 digits fit
        for index in value {
            guard ASCII.isDigit(buffer[index]) else {
                throw WireError(
                    .invalidContentLength,
                    "Content-Length holds \(ASCII.show(buffer[index])); only digits may stand there",
                    offset: index)
            }
            length = length * 10 + UInt64(buffer[index] - 0x30)
        }
        if let contentLength, UInt64(contentLength) != length {
            throw WireError(
                .invalidContentLength, "two Content-Length fields differ", offset: value.lowerBound)
        }
        guard length <= UInt64(limits.bodyBytes) else {
            throw WireError(
                .bodyTooLarge, "the body would be longer than \(limits.bodyBytes) bytes", offset: value.lowerBound)
        }
        contentLength = Int(length)
    }

    private mutating func noteTransferEncoding(
        name: Range<Int>, value: Range<Int>, in buffer: Span<UInt8>, minorVersion: Int
    ) throws(WireError) {
        guard minorVersion > 0 else {
            throw WireError(
                .conflictingFraming, "HTTP/1.0 has no Transfer-Encoding (RFC 9112 section 6.1)",
                offset: name.lowerBound)
        }
        guard contentLength == nil else { throw Self.bothFramings(at: name.lowerBound) }
        guard !isChunked else {
            throw WireError(.conflictingFraming, "there is more than one Transfer-Encoding", offset: name.lowerBound)
        }
        guard buffer.equalsIgnoringCase(value, literal: "chunked") else {
            throw WireError(
                .unsupportedTransferCoding, "the only Transfer-Encoding understood here is 'chunked'",
                offset: value.lowerBound)
        }
        isChunked = true
    }

    private static func bothFramings(at offset: Int) -> WireError {
        WireError(
            .conflictingFraming, "Content-Length and Transfer-Encoding in one request: which one frames the body?",
            offset: offset)
    }
}

/// The value of `Host`: `uri-host [":" port]` (RFC 9110 section 7.2).
enum HostRule {
    /// Whether `range` is a host with an optional port. Empty is allowed: it says the target has no authority.
    static func isHost(_ range: Range<Int>, in buffer: Span<UInt8>) -> Bool {
        var index = range.lowerBound
        if index < range.upperBound, buffer[index] == ASCII.openBracket {
            guard let close = buffer.firstIndex(of: ASCII.closeBracket, in: range) else { return false }
            for inside in (index + 1)..<close {
                let byte = buffer[inside]
                guard ASCII.hexValue(byte) != nil || byte == ASCII.colon || byte == UInt8(ascii: ".") else {
                    return false
                }
            }
            guard close > index + 1 else { return false }
            index = close + 1
        } else {
            while index < range.upperBound, isNameByte(buffer[index]) { index &+= 1 }
        }
        if index == range.upperBound { return true }
        guard buffer[index] == ASCII.colon, index > range.lowerBound, range.upperBound - index <= 6 else {
            return false
        }
        index += 1
        while index < range.upperBound, ASCII.isDigit(buffer[index]) { index &+= 1 }
        return index == range.upperBound
    }

    /// Letters, digits and `-._~%!$&'()*+;=`: reg-name of RFC 3986 without the comma, which would let two hosts
    /// pass as one.
    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            return true
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "%"),
            UInt8(ascii: "!"), UInt8(ascii: "$"), UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "("),
            UInt8(ascii: ")"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: ";"), UInt8(ascii: "="):
            return true
        default:
            return false
        }
    }
}
