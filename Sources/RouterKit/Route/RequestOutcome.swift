/// How a request ended: a small closed set, used in the decision log and as a metric label.
public enum RequestOutcome: String, Sendable, Hashable, CaseIterable {
    /// The client got a whole answer.
    case ok
    /// A model refused the request itself (status 4xx), and the client got that answer.
    case clientError = "client_error"
    /// Every upstream that was tried answered with an error, and the client got the last one.
    case upstreamError = "upstream_error"
    /// No upstream answered at all; the client got the router's own error.
    case failed
    /// The stream broke off after its first byte; the client got an error event.
    case midStreamFailure = "mid_stream_failure"
    /// The stream ended in good order, but without the dialect's last event.
    case incomplete
    /// The client went away first.
    case cancelled
}
