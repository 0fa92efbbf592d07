public import Wire

/// One request as the server read it. Valid until its handler returns; confined to the loop's thread.
public struct ServerRequest {
    /// The checked request line and fields.
    public let head: RequestHead
    /// The body, which is read from the socket only as it is asked for.
    public let body: RequestBody
    /// Different for every request of this process.
    public let id: UInt64
    /// Monotonic nanoseconds (`EventLoop.clock_ns`) of the loop's turn in which the head was complete.
    public let arrival_ns: UInt64

    private let connection: ServerConnection

    init(head: RequestHead, id: UInt64, arrival_ns: UInt64, connection: ServerConnection, exchange: UInt64) {
        self.head = head
        self.body = RequestBody(connection: connection, exchange: exchange)
        self.id = id
        self.arrival_ns = arrival_ns
        self.connection = connection
    }

    /// The client's address such as `192.0.2.1:4711` or `[2001:db8::1]:4711`; `unix` on a Unix socket.
    public var peer: String { connection.peer.description }

    /// The loop this request runs on: work submitted to the same loop never changes thread.
    public var loop: EventLoop { connection.server.loop }
}

@available(*, unavailable, message: "a request is confined to its loop")
extension ServerRequest: Sendable {}

/// The body of one request. Reading it is what makes the server read it from the socket, so a handler that does not ask
/// leaves the client waiting (back-pressure). `Expect: 100-continue` is answered at the first read.
public struct RequestBody {
    private let connection: ServerConnection
    private let exchange: UInt64

    init(connection: ServerConnection, exchange: UInt64) {
        self.connection = connection
        self.exchange = exchange
    }

    /// The next bytes as they arrived, at most 64 KiB; nil after the last.
    ///
    /// - Throws: `bodyTimeout`, `bodyTooLarge` (a chunked body beyond `Limits.bodyBytes`), `protocolError` (broken chunked
    ///   framing), `clientGone`. The connection is closed after the response then.
    public nonisolated(nonsending) func next() async throws(TransportError) -> [UInt8]? {
        try await connection.nextBodyBytes(exchange)
    }

    /// The rest of the body.
    ///
    /// Memory grows with what has arrived, never with what the client announced.
    ///
    /// - Parameter limitBytes: Longest body to take; `Limits.bodyBytes` holds besides.
    /// - Throws: as `next`; `bodyTooLarge` also beyond `limitBytes`, before anything is read when the length was announced.
    public nonisolated(nonsending) func collect(limitBytes: Int) async throws(TransportError) -> [UInt8] {
        try await connection.collectBody(exchange, limitBytes: limitBytes)
    }
}

@available(*, unavailable, message: "a body is confined to its loop")
extension RequestBody: Sendable {}
