/// How a message's end is found (RFC 9112 section 6).
public enum BodyFraming: Sendable, Hashable {
    /// There is no body.
    case none
    /// Exactly this many bytes.
    case length(Int)
    /// Chunked transfer coding.
    case chunked
}

/// A request line and its fields, already checked.
public struct RequestHead: Sendable, Hashable {
    /// The method.
    public var method: HTTPMethod
    /// The request target as it was sent: `/path?query`, `http://host/path?query`, or `*`.
    public var target: String
    /// The path of the target, not percent-decoded; "*" for the asterisk form, "/" when an absolute target has none.
    public var path: String
    /// What follows the first `?`, not decoded; nil without `?`.
    public var query: String?
    /// All fields, framing fields included.
    public var fields: HTTPFields
    /// 0 for HTTP/1.0, 1 for HTTP/1.1.
    public var minorVersion: Int
    /// Where the body ends.
    public var framing: BodyFraming
    /// Whether the client wants to reuse the connection (RFC 9112 section 9.3).
    public var keepAlive: Bool
    /// Whether the client waits for `100 Continue` before it sends the body (RFC 9110 section 10.1.1).
    public var expectsContinue: Bool

    /// A head from parts, for tests and for handlers called without a server. Nothing is checked.
    public init(
        method: HTTPMethod, target: String, fields: HTTPFields = HTTPFields(), minorVersion: Int = 1,
        framing: BodyFraming = .none, keepAlive: Bool = true, expectsContinue: Bool = false
    ) {
        self.method = method
        self.target = target
        (path, query) = RequestTarget.split(target)
        self.fields = fields
        self.minorVersion = minorVersion
        self.framing = framing
        self.keepAlive = keepAlive
        self.expectsContinue = expectsContinue
    }
}

/// The forms of a request target (RFC 9112 section 3.2).
enum RequestTarget {
    /// Path and query of a target whose form has been checked.
    static func split(_ target: String) -> (path: String, query: String?) {
        let bytes = target.utf8
        let start = pathStart(target)
        let mark = bytes[start...].firstIndex(of: UInt8(ascii: "?"))
        let end = mark ?? bytes.endIndex
        let query = mark.map { String(target[bytes.index(after: $0)...]) }
        if start == end { return ("/", query) }
        if start == bytes.startIndex, mark == nil { return (target, nil) }
        return (String(target[start..<end]), query)
    }

    /// Where the path begins: after scheme and authority in the absolute form, else at the start.
    private static func pathStart(_ target: String) -> String.Index {
        let bytes = target.utf8
        if bytes.first == UInt8(ascii: "/") || bytes.first == UInt8(ascii: "*") { return bytes.startIndex }
        guard let colon = bytes.firstIndex(of: ASCII.colon) else { return bytes.startIndex }
        let authority = bytes.index(colon, offsetBy: 3, limitedBy: bytes.endIndex) ?? bytes.endIndex
        return bytes[authority...].firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? bytes.endIndex
    }
}
