/// How the body of a response ends (RFC 9112 section 6.3).
public enum ResponseBodyFraming: Sendable, Hashable {
    /// There is none: the request was HEAD, or the status is 204 or 304.
    case none
    /// After this many bytes.
    case length(Int)
    /// With the last chunk.
    case chunked
    /// When the server closes the connection.
    case untilClose
}

/// A final response head, checked.
public struct ResponseHead: Sendable {
    /// The status code, 200 to 599.
    public let status: Int
    /// The field lines as they came.
    public let fields: HTTPFields
    /// 1 for HTTP/1.1, 0 for HTTP/1.0.
    public let minorVersion: Int
    /// How the body ends.
    public let framing: ResponseBodyFraming
    /// Whether another request may follow on the connection once the body has ended.
    public let keepAlive: Bool
}

/// What the fields of a response head say about its body and connection, gathered line by line (RFC 9112 sections 6.3
/// and 9.3). What two clients could read differently is refused, as in requests.
struct ResponseFramingRules: Sendable {
    private var contentLength: Int?
    private var isChunked = false
    private var wantsClose = false
    private var wantsKeepAlive = false

    /// Takes in one field line; fields that frame nothing pass.
    mutating func note(_ entry: HTTPFields.Entry, in buffer: Span<UInt8>, minorVersion: Int) throws(WireError) {
        // The length of a name tells nearly all fields apart before any byte is compared.
        switch entry.name.count {
        case 10 where buffer.equalsIgnoringCase(entry.name, "connection"):
            if buffer.list(entry.value, contains: "close") { wantsClose = true }
            if buffer.list(entry.value, contains: "keep-alive") { wantsKeepAlive = true }
        case 14 where buffer.equalsIgnoringCase(entry.name, "content-length"):
            try noteContentLength(entry.value, in: buffer)
        case 17 where buffer.equalsIgnoringCase(entry.name, "transfer-encoding"):
            try noteTransferEncoding(entry.value, in: buffer, minorVersion: minorVersion)
        default:
            break
        }
    }

    func framing(status: Int, isHeadAnswer: Bool) -> ResponseBodyFraming {
        if isHeadAnswer || status == 204 || status == 304 { return .none }
        if isChunked { return .chunked }
        return contentLength.map { .length($0) } ?? .untilClose
    }

    func keepAlive(minorVersion: Int) -> Bool {
        if wantsClose { return false }
        return minorVersion > 0 || wantsKeepAlive
    }

    /// Digits only: no sign, no list, no blank. Repeating the same number is harmless and is accepted.
    private mutating func noteContentLength(_ value: Range<Int>, in buffer: Span<UInt8>) throws(WireError) {
        guard !isChunked else { throw Self.bothFramings(at: value.lowerBound) }
        guard !value.isEmpty, value.count <= 18 else {
            throw WireError(
                .invalidContentLength, "Content-Length is not a number of 1 to 18 digits", offset: value.lowerBound)
        }
        var length = 0  // 18 digits fit
        for index in value {
            guard ASCII.isDigit(buffer[index]) else {
                throw WireError(
                    .invalidContentLength,
                    "Content-Length holds \(ASCII.show(buffer[index])); only digits may stand there",
                    offset: index)
            }
            length = length * 10 + Int(buffer[index] - 0x30)
        }
        if let contentLength, contentLength != length {
            throw WireError(
                .invalidContentLength, "two Content-Length fields differ", offset: value.lowerBound)
        }
        contentLength = length
    }

    private mutating func noteTransferEncoding(
        _ value: Range<Int>, in buffer: Span<UInt8>, minorVersion: Int
    ) throws(WireError) {
        guard minorVersion > 0 else {
            throw WireError(
                .conflictingFraming, "HTTP/1.0 has no Transfer-Encoding (RFC 9112 section 6.1)",
                offset: value.lowerBound)
        }
        guard contentLength == nil else { throw Self.bothFramings(at: value.lowerBound) }
        guard !isChunked else {
            throw WireError(.conflictingFraming, "there is more than one Transfer-Encoding", offset: value.lowerBound)
        }
        guard buffer.equalsIgnoringCase(value, "chunked") else {
            throw WireError(
                .unsupportedTransferCoding, "the only Transfer-Encoding understood here is 'chunked'",
                offset: value.lowerBound)
        }
        isChunked = true
    }

    private static func bothFramings(at offset: Int) -> WireError {
        WireError(
            .conflictingFraming, "Content-Length and Transfer-Encoding in one response: which one frames the body?",
            offset: offset)
    }
}
