public import Wire

/// The right to answer one request, once: every use consumes it, so two heads are a compile error.
///
/// Dropped without use, the client gets 500 when the handler returns.
public struct ResponseStart: ~Copyable {
    private let connection: ServerConnection
    private let exchange: UInt64

    init(connection: ServerConnection, exchange: UInt64) {
        self.connection = connection
        self.exchange = exchange
    }

    /// Answers with a complete body. Returns when the kernel has taken all of it.
    ///
    /// The fields that frame a message (`Connection`, `Content-Length`, `Transfer-Encoding`) and `Date` are the server's.
    /// To HEAD, and with 204 and 304, the body is left out.
    ///
    /// - Throws: `clientGone`; `idleTimeout` when the client takes nothing for `Limits.writeStall_ms`; `shuttingDown`.
    public consuming nonisolated(nonsending) func send(
        status: Int, fields: HTTPFields, body: [UInt8]
    ) async throws(TransportError) {
        try await connection.sendResponse(exchange, status: status, fields: fields, body: body)
    }

    /// Sends the head and hands over the right to write the body.
    ///
    /// The head leaves at once. With `length` nil the body is chunked (or, to an HTTP/1.0 client, ended by closing).
    ///
    /// - Throws: as `send`.
    public consuming nonisolated(nonsending) func stream(
        status: Int, fields: HTTPFields, length: Int? = nil
    ) async throws(TransportError) -> ResponseBody {
        try await connection.startResponse(exchange, status: status, fields: fields, length: length)
        return ResponseBody(connection: connection, exchange: exchange)
    }
}

@available(*, unavailable, message: "a response is confined to its loop")
extension ResponseStart: Sendable {}

/// The right to write the body of one response. Dropped without `finish`, it aborts the connection: the client sees a
/// failure, never a short body that looks whole.
public struct ResponseBody: ~Copyable {
    private let connection: ServerConnection
    private let exchange: UInt64

    init(connection: ServerConnection, exchange: UInt64) {
        self.connection = connection
        self.exchange = exchange
    }

    deinit { connection.bodyDropped(exchange) }

    /// Sends `bytes`, as one chunk where the body is chunked. Empty bytes send nothing.
    ///
    /// Returns at once while at most `Limits.outboundHighWaterBytes` wait for the client; else when half of them are gone.
    ///
    /// - Throws: `clientGone`; `idleTimeout` when the client takes nothing for `Limits.writeStall_ms`; `shuttingDown`;
    ///   `invalidRequest` when the bytes go beyond the announced length.
    public mutating nonisolated(nonsending) func write(_ bytes: [UInt8]) async throws(TransportError) {
        try await connection.writeBody(exchange, bytes)
    }

    /// Sends all that `source` gives, as it comes, and returns at its end; `finish` is still to be called.
    ///
    /// Takes nothing from it while more than `Limits.outboundHighWaterBytes` wait for the client. Cheaper than `write` for
    /// each piece, because the task sleeps through them.
    ///
    /// - Throws: as `write`; what `source` throws.
    public mutating nonisolated(nonsending) func relay(from source: any BodySource) async throws(TransportError) {
        try await connection.relayBody(exchange, from: source)
    }

    /// Ends the body. Returns when the kernel has taken all of it.
    ///
    /// - Throws: as `write`; `truncated` when fewer bytes were written than announced (the connection is aborted).
    public consuming nonisolated(nonsending) func finish() async throws(TransportError) {
        try await connection.finishBody(exchange)
    }
}

@available(*, unavailable, message: "a response is confined to its loop")
extension ResponseBody: Sendable {}
