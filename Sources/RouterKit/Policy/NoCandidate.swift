/// No model of the pool can take the request, and why.
public struct NoCandidate: Error, Sendable, Hashable {
    /// The kind of obstacle, for the error's `code` and for metrics.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// The request fits no window. OpenAI's own code, which client libraries know.
        case contextTooLong = "context_length_exceeded"
        /// No model has what the request needs.
        case unsupported = "no_suitable_model"
        /// Suitable models exist, but none can be asked at the moment.
        case unavailable = "models_unavailable"
        /// The client named a model that the pool does not have.
        case unknownModel = "model_not_found"

        /// Stable and bounded.
        public var label: String { rawValue }
    }

    /// The kind of obstacle.
    public let code: Code
    /// Full sentences for the client: what was wrong and what to do. May hold model names.
    public let detail: String
    /// When asking again may help; only with ``Code/unavailable``.
    public let retryAfter_ms: Int?
    /// Every model of the pool and why not.
    public let rejected: [Candidate]

    /// The status to answer with.
    public var httpStatus: Int {
        switch code {
        case .contextTooLong, .unsupported: 400
        case .unknownModel: 404
        case .unavailable: 503
        }
    }

    /// Words the error from the reasons of a pool in which every model was rejected.
    public init(rejected: [Candidate], requirements: Requirements) {
        self.rejected = rejected
        let waits = rejected.compactMap { candidate -> Int? in
            switch candidate.reason {
            case .coolingDown(let retryAfter_ms): retryAfter_ms
            // A request in flight may end at any moment; a second is the shortest that `Retry-After` can say.
            case .saturated: 1_000
            default: nil
            }
        }
        if let wait = waits.min() {
            code = .unavailable
            retryAfter_ms = wait
            detail =
                "Every suitable model is busy or cooling down after failures. Try again in \((wait + 999) / 1_000) s."
            return
        }
        retryAfter_ms = nil
        let windows = rejected.compactMap { candidate -> (need: Int, window: Int, name: String)? in
            guard case .contextTooSmall(let need, let window) = candidate.reason else { return nil }
            return (need, window, candidate.model)
        }
        if let largest = windows.max(by: { $0.window < $1.window }) {
            code = .contextTooLong
            let output = requirements.maxOutputTokens.map { " including \($0) for the answer" } ?? ""
            detail =
                "The request needs about \(largest.need) tokens\(output), but the largest suitable window is "
                + "\(largest.window) tokens (\(largest.name)). Shorten the prompt or lower the output bound."
            return
        }
        code = .unsupported
        let reasons = rejected.map { "\($0.model): \($0.reason)" }.prefix(8).joined(separator: "; ")
        let more = rejected.count > 8 ? "; and \(rejected.count - 8) more" : ""
        detail = "No model of the pool can take this request (\(reasons)\(more))."
    }

    /// The client named a model that is not there.
    public init(unknownModel name: String, pool: borrowing PoolView) {
        code = .unknownModel
        retryAfter_ms = nil
        rejected = []
        let names = pool.cards.map(\.name)
        let listed =
            names.prefix(32).joined(separator: ", ") + (names.count > 32 ? " and \(names.count - 32) more" : "")
        detail = "The model \"\(name)\" does not exist here. Available: auto, \(listed)."
    }
}

extension NoCandidate: CustomStringConvertible {
    /// The sentences.
    public var description: String { detail }
}
