public import Wire

/// Sends requests to upstream servers. The shipped one is `LoopTransport`; tests pass a fake.
///
/// Safe to use from any task and thread.
public protocol UpstreamTransport: Sendable {
    /// Sends `request` and returns when the final response head has arrived; the body follows through
    /// `UpstreamResponse.body`. Interim (1xx) heads are skipped, redirects are not followed, content is not decoded.
    ///
    /// Cancelling the task abandons the request and throws `cancelled`. Dropping the response abandons its body.
    /// `TransportError.Code.requestNeverSent` says which failures are safe to retry elsewhere whatever the method.
    nonisolated(nonsending)
        func send(_ request: UpstreamRequest) async throws(TransportError) -> UpstreamResponse
}

/// How long each phase of an upstream exchange may take, in milliseconds.
public struct UpstreamTimeouts: Sendable, Hashable {
    /// From the start until the connection is ready to use: name lookup, TCP, TLS, waiting for a free connection.
    public var connect_ms: Int
    /// From the start until the first byte of the final response head.
    public var firstByte_ms: Int
    /// Between two pieces of the response, head included. Does not run while the consumer is the slow one.
    public var idle_ms: Int
    /// From the start until the end of the body; nil for no bound.
    public var total_ms: Int?

    /// Timeouts fit for language models, whose first token may take minutes.
    public init(connect_ms: Int = 5_000, firstByte_ms: Int = 300_000, idle_ms: Int = 120_000, total_ms: Int? = nil) {
        self.connect_ms = connect_ms
        self.firstByte_ms = firstByte_ms
        self.idle_ms = idle_ms
        self.total_ms = total_ms
    }
}

/// One request to an upstream server.
public struct UpstreamRequest: Sendable {
    /// The method, sent as it is.
    public var method: HTTPMethod
    /// An absolute `http` or `https` URL without credentials; put those in `fields`. The path is sent as it is.
    public var url: String
    /// The fields, sent in their order and spelling. Nothing is added but `Host` (unless given) and `Content-Length`.
    /// Fields that belong to the connection are left out: `Connection`, `Keep-Alive`, `Proxy-Connection`, `TE`,
    /// `Trailer`, `Transfer-Encoding`, `Upgrade`, `Expect` and `Content-Length`, which follows from `body`.
    public var fields: HTTPFields
    /// The whole body; a large one is never copied. Empty means none, except that POST, PUT and PATCH then say
    /// `Content-Length: 0`.
    public var body: [UInt8]
    /// Connect to this Unix socket instead of the URL's host and port.
    public var unixSocketPath: String?
    /// How long each phase may take.
    public var timeouts: UpstreamTimeouts
    /// A file of CA certificates in PEM form to trust instead of the system's; nil for the system's.
    public var trustFile: String?
    /// Offer HTTP/2 over TLS, with many requests on one connection. Plain `http` always speaks HTTP/1.1. Use one value
    /// for one host: libcurl does not share connections to a host that it also speaks HTTP/1.1 to.
    public var http2: Bool

    /// Makes a request.
    public init(
        method: HTTPMethod, url: String, fields: HTTPFields = HTTPFields(), body: [UInt8] = [],
        unixSocketPath: String? = nil, timeouts: UpstreamTimeouts = UpstreamTimeouts(), trustFile: String? = nil,
        http2: Bool = false
    ) {
        self.method = method
        self.url = url
        self.fields = fields
        self.body = body
        self.unixSocketPath = unixSocketPath
        self.timeouts = timeouts
        self.trustFile = trustFile
        self.http2 = http2
    }
}

/// The protocol version that the upstream answered with.
public enum UpstreamHTTPVersion: String, Sendable, Hashable {
    /// HTTP/1.0.
    case http1_0 = "HTTP/1.0"
    /// HTTP/1.1.
    case http1_1 = "HTTP/1.1"
    /// HTTP/2.
    case http2 = "HTTP/2"
}

/// A response head and the way to its body.
public struct UpstreamResponse: Sendable {
    /// The status code, 200 to 599 in practice; never 1xx.
    public var status: Int
    /// The fields as they came, connection fields included: whoever forwards them must leave those out.
    public var fields: HTTPFields
    /// The version of the answer.
    public var httpVersion: UpstreamHTTPVersion
    /// The body. Dropping it abandons what has not arrived.
    public var body: UpstreamBody

    /// Makes a response; for transports and fakes.
    public init(
        status: Int, fields: HTTPFields, httpVersion: UpstreamHTTPVersion = .http1_1, body: UpstreamBody
    ) {
        self.status = status
        self.fields = fields
        self.httpVersion = httpVersion
        self.body = body
    }
}

extension TransportError.Code {
    /// True when the upstream surely did not receive the request, so that it may be sent elsewhere whatever its method.
    /// False means that it may have been received.
    public var requestNeverSent: Bool {
        switch self {
        case .connectRefused, .connectTimeout, .dnsFailure, .tlsFailure, .invalidRequest, .tooManyTransfers: true
        default: false
        }
    }
}
