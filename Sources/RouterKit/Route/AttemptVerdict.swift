import Transport
import Wire

/// What the result of one upstream attempt means for the request.
///
/// The rules are those that official SDKs apply to a provider (408, 409, 429 and 5xx are worth another try,
/// openai-python `_base_client.py`), with two of our own: a refused key (401, 403) or an unknown model (404) is the
/// deployment's fault, never the client's, so another deployment may answer; and a 409 is not repeated elsewhere,
/// because it speaks of state that one provider holds.
enum AttemptVerdict: Equatable {
    /// Give it to the client as it is.
    case deliver
    /// Try another candidate if there is one; else give it to the client as it is.
    case failOver(label: String, retryAfter_ms: Int?)

    /// Judges a response by its status and fields.
    static func judging(status: Int, fields: HTTPFields) -> AttemptVerdict {
        switch status {
        case 408, 429, 500...599:
            .failOver(label: "status_\(status)", retryAfter_ms: RetryAfter.milliseconds(fields))
        case 401, 403, 404: .failOver(label: "status_\(status)", retryAfter_ms: nil)
        default: .deliver
        }
    }
}

/// The time an upstream asks its clients to wait.
enum RetryAfter {
    /// Longest wait taken over from an upstream, so that one bad value cannot put a deployment aside for a day.
    static let most_ms = 120_000

    /// `retry-after-ms`, else `retry-after` in seconds (a fraction is allowed); nil without a number that makes sense.
    /// The date form of RFC 9110 section 10.2.3 is left to the client: it needs a wall clock and no provider uses it.
    static func milliseconds(_ fields: HTTPFields) -> Int? {
        if let text = fields["retry-after-ms"], let value = Double(text), value >= 0, value.isFinite {
            return Int(min(value, Double(most_ms)))
        }
        if let text = fields["retry-after"], let seconds = Double(text), seconds >= 0, seconds.isFinite {
            return Int(min(seconds * 1000, Double(most_ms)))
        }
        return nil
    }
}
