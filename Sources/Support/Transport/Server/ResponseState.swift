import Wire

/// What the response to one request may still do. Pure: every order of calls is tested without a socket.
struct ResponseState {
    enum Phase: Equatable {
        case headDue, streaming, finished, aborted
    }

    /// How body bytes go on the wire.
    enum Encoding: Equatable {
        /// Not at all: HEAD, 204, 304.
        case suppressed
        /// As they are.
        case plain
        /// As chunks.
        case chunked
    }

    private(set) var phase = Phase.headDue
    /// Whether the connection may serve another request after this one.
    private(set) var keepAlive: Bool
    private(set) var encoding = Encoding.plain
    /// Whether only the connection's end tells the client that the body is complete.
    private(set) var endsByClosing = false

    /// Whether the request was HEAD.
    let isHead: Bool
    private let minorVersion: Int
    /// Announced bytes not yet written; nil when none were announced.
    private var remaining: Int?

    init(isHead: Bool, minorVersion: Int, keepAlive: Bool) {
        self.isHead = isHead
        self.minorVersion = minorVersion
        self.keepAlive = keepAlive
    }

    /// The connection closes after this response, whatever the client asked for.
    mutating func closeAfterwards() { keepAlive = false }

    /// Decides the framing of a head that is about to be written.
    mutating func begin(status: Int, length: Int?) -> ResponseFraming {
        precondition(phase == .headDue, "a second head")
        phase = .streaming
        remaining = length
        if let length {
            encoding = isHead || HTTPStatus.forbidsBody(status) ? .suppressed : .plain
            return .length(length)
        }
        let hasBody = !isHead && !HTTPStatus.forbidsBody(status)
        if minorVersion == 0 {
            encoding = hasBody ? .plain : .suppressed
            endsByClosing = hasBody
            keepAlive = false
            return .close
        }
        encoding = hasBody ? .chunked : .suppressed
        return .chunked
    }

    /// Counts body bytes; throws when they go beyond what was announced, which no framing can express.
    mutating func write(_ count: Int) throws(TransportError) {
        precondition(phase != .headDue && phase != .finished, "body bytes before the head or after the end")
        guard let left = remaining else { return }
        guard count <= left else {
            throw TransportError(
                .invalidRequest, "the handler wrote \(count) body bytes where \(left) of the announced length were left"
            )
        }
        remaining = left - count
    }

    /// Ends the body; throws when announced bytes are missing.
    mutating func finish() throws(TransportError) {
        precondition(phase == .streaming, "a body ends once, after its head")
        if let remaining, remaining > 0, encoding != .suppressed {
            throw TransportError(
                .truncated, "the handler ended a body \(remaining) bytes short of its announced length")
        }
        phase = .finished
    }

    /// The response will never be complete.
    mutating func abort() {
        if phase != .finished { phase = .aborted }
        keepAlive = false
    }
}
