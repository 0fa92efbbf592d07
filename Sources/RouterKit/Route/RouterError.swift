public import Wire

/// Why a request got no answer from any model. Everything a gateway needs to answer it is here.
public struct RouterError: Error, Sendable {
    /// The kind of failure, a small closed set.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// The request cannot be routed as it stands: see `message`.
        case invalidRequest = "invalid_request"
        /// `model` or a mode names nothing here.
        case notFound = "model_not_found"
        /// No window of the pool fits the request.
        case contextTooLong = "context_length_exceeded"
        /// No model of the pool has what the request needs.
        case unsupported = "no_suitable_model"
        /// Every suitable model is busy or cools down after failures.
        case unavailable = "models_unavailable"
        /// Every upstream that was tried failed without a usable answer.
        case upstreamFailed = "upstream_failed"
        /// The last upstream tried did not answer in time.
        case upstreamTimeout = "upstream_timeout"
        /// The client went away.
        case cancelled

        /// The status to answer with.
        public var httpStatus: Int {
            switch self {
            case .invalidRequest, .contextTooLong, .unsupported: 400
            case .notFound: 404
            case .unavailable: 503
            case .upstreamFailed: 502
            case .upstreamTimeout: 504
            case .cancelled: 499
            }
        }

        /// The `type` of OpenAI's and Anthropic's error objects.
        public var type: String {
            switch self {
            case .invalidRequest, .contextTooLong, .unsupported: "invalid_request_error"
            case .notFound: "not_found_error"
            case .unavailable: "overloaded_error"
            case .upstreamFailed, .upstreamTimeout, .cancelled: "api_error"
            }
        }
    }

    /// The kind of failure.
    public let code: Code
    /// What was wrong and what to do, for the client.
    public let message: String
    /// The request member at fault.
    public let param: String?
    /// When asking again may help.
    public let retryAfter_ms: Int?
    /// False when the router itself already tried more than one upstream: an SDK's retries would multiply the work.
    public let mayRetry: Bool
    /// Names the request in the log; empty when it was refused before it got a name.
    public let requestID: String

    init(
        _ code: Code, _ message: String, param: String? = nil, retryAfter_ms: Int? = nil, mayRetry: Bool = true,
        requestID: String = ""
    ) {
        self.code = code
        self.message = message
        self.param = param
        self.retryAfter_ms = retryAfter_ms
        self.mayRetry = mayRetry
        self.requestID = requestID
    }

    init(_ error: NoCandidate, requestID: String) {
        let code: Code =
            switch error.code {
            case .contextTooLong: .contextTooLong
            case .unsupported: .unsupported
            case .unavailable: .unavailable
            case .unknownModel: .notFound
            }
        self.init(
            code, error.detail, param: code == .notFound ? "model" : nil, retryAfter_ms: error.retryAfter_ms,
            requestID: requestID)
    }

    /// The error's body in the shape that the dialect's SDK reads.
    public func body(for dialect: Dialect) -> [UInt8] {
        ErrorBody.json(dialect: dialect, message: message, type: code.type, code: code.rawValue, param: param)
    }
}
