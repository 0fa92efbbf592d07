/// Why a transport operation did not complete. `code` is bounded and fit for metric labels; `detail` says what and where.
public struct TransportError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of failure. A struct, so that kinds can be added without breaking callers.
    public struct Code: Sendable, Hashable {
        private enum Kind: String, Sendable {
            case connectRefused, connectTimeout, dnsFailure, tlsFailure, reset, truncated, firstByteTimeout
            case idleTimeout, totalTimeout, protocolError, cancelled, responseHeadTooLarge, clientGone
            case bodyTooLarge, bodyTimeout, bindFailed, shuttingDown, invalidRequest, tooManyTransfers, system
        }
        private let kind: Kind
        /// A stable snake-free label such as `connectRefused`; the set is closed, so it is safe as a metric label.
        public var label: String { kind.rawValue }

        /// Nobody listens at the address.
        public static let connectRefused = Code(kind: .connectRefused)
        /// The connection was not made in time.
        public static let connectTimeout = Code(kind: .connectTimeout)
        /// The host name did not resolve.
        public static let dnsFailure = Code(kind: .dnsFailure)
        /// The TLS handshake or certificate check failed.
        public static let tlsFailure = Code(kind: .tlsFailure)
        /// The peer reset or closed the connection before the message was complete.
        public static let reset = Code(kind: .reset)
        /// The message ended before its announced length.
        public static let truncated = Code(kind: .truncated)
        /// The upstream accepted the request and sent nothing in time.
        public static let firstByteTimeout = Code(kind: .firstByteTimeout)
        /// The stream stood still for too long.
        public static let idleTimeout = Code(kind: .idleTimeout)
        /// The exchange outlasted its total budget.
        public static let totalTimeout = Code(kind: .totalTimeout)
        /// The peer sent bytes that are not HTTP.
        public static let protocolError = Code(kind: .protocolError)
        /// The caller cancelled.
        public static let cancelled = Code(kind: .cancelled)
        /// The response head is over its limit.
        public static let responseHeadTooLarge = Code(kind: .responseHeadTooLarge)
        /// The client closed its connection.
        public static let clientGone = Code(kind: .clientGone)
        /// The body is over its limit.
        public static let bodyTooLarge = Code(kind: .bodyTooLarge)
        /// The client did not send its body in time.
        public static let bodyTimeout = Code(kind: .bodyTimeout)
        /// The listening socket could not be made.
        public static let bindFailed = Code(kind: .bindFailed)
        /// The server or engine is stopping.
        public static let shuttingDown = Code(kind: .shuttingDown)
        /// The request cannot be sent as it is (bad URL, bad field).
        public static let invalidRequest = Code(kind: .invalidRequest)
        /// The cap on simultaneous transfers is reached.
        public static let tooManyTransfers = Code(kind: .tooManyTransfers)
        /// A system call failed; `detail` names it with its errno.
        public static let system = Code(kind: .system)
    }

    /// The kind of failure.
    public let code: Code
    /// What happened, for people. Holds no secret and no prompt text.
    public let detail: String

    /// Makes an error; keep secrets and prompt text out of `detail`.
    public init(_ code: Code, _ detail: String) {
        self.code = code
        self.detail = detail
    }

    /// `label: detail`.
    public var description: String { "\(code.label): \(detail)" }
}

/// What a handler throws when it cannot answer: the server sends 500 if no head was written, else aborts the connection.
public struct HandlerError: Error, Sendable, CustomStringConvertible {
    /// The failure that stopped the handler.
    public let underlying: any Error

    /// Wraps the failure that stopped the handler.
    public init(_ underlying: any Error) {
        self.underlying = underlying
    }

    /// The underlying error's text.
    public var description: String { "handler failed: \(underlying)" }
}
