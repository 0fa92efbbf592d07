/// What came of one try at a deployment, as told to the pool.
public enum LeaseOutcome: Sendable, Hashable {
    /// The deployment answered. Includes answers that blame the request, such as 400.
    case success
    /// The deployment failed; `retryAfter_ms` is what it asked for, `nil` when it did not.
    case failure(FailureKind, retryAfter_ms: Int?)
    /// The client went away, or the try was given up for reasons of our own.
    case cancelled

    /// Ways in which a deployment fails.
    public enum FailureKind: String, Sendable, Hashable, CaseIterable {
        /// No connection: refused, unreachable, no address, TLS.
        case connect
        /// Too slow: no connection, first byte or next byte in time.
        case timeout
        /// The connection broke after it stood.
        case reset
        /// An answer that is not HTTP, or that ended too early.
        case badResponse = "bad_response"
        /// Status 500 and the like.
        case serverError = "server_error"
        /// Status 503 or 529: alive, but without capacity.
        case overloaded
        /// Status 429.
        case rateLimited = "rate_limited"
        /// Status 401.
        case unauthorized
        /// Status 403.
        case forbidden

        /// Stable and bounded, for metrics.
        public var label: String { rawValue }

        /// The failure that an HTTP status stands for; `nil` when the status does not speak against the deployment.
        public init?(status: Int) {
            switch status {
            case 401: self = .unauthorized
            case 403: self = .forbidden
            case 408: self = .timeout
            case 429: self = .rateLimited
            case 503, 529: self = .overloaded
            case 500...599: self = .serverError
            default: return nil
            }
        }

        /// Whether the key is to blame rather than the address: another key may still work.
        var blamesKey: Bool {
            switch self {
            case .rateLimited, .unauthorized, .forbidden: true
            case .connect, .timeout, .reset, .badResponse, .serverError, .overloaded: false
            }
        }
    }
}

extension LeaseOutcome {
    /// What the outcome tells the breaker of the address.
    func endpointEvent(_ settings: CircuitBreaker.Settings) -> CircuitBreaker.Event {
        switch self {
        case .cancelled: return .nothing
        case .success: return .success
        case .failure(let kind, let retryAfter_ms):
            // An answer about the key shows that the address works.
            if kind.blamesKey { return .success }
            guard let retryAfter_ms else { return .failure }
            return .trip(coolDown_ms: Self.bounded(retryAfter_ms, settings))
        }
    }

    /// What the outcome tells the breaker of the key.
    func keyEvent(_ settings: CircuitBreaker.Settings) -> CircuitBreaker.Event {
        switch self {
        case .cancelled: return .nothing
        case .success: return .success
        case .failure(let kind, let retryAfter_ms):
            guard kind.blamesKey else { return .nothing }
            if let retryAfter_ms { return .trip(coolDown_ms: Self.bounded(retryAfter_ms, settings)) }
            if kind == .rateLimited { return .failure }
            return .trip(coolDown_ms: settings.refusedKeyCoolDown_ms)
        }
    }

    private static func bounded(_ retryAfter_ms: Int, _ settings: CircuitBreaker.Settings) -> Int {
        min(max(1, retryAfter_ms), settings.retryAfterCeiling_ms)
    }
}
