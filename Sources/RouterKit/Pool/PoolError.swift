/// Why the pool gave no lease.
public struct PoolError: Error, Sendable, Hashable {
    /// The kind of refusal.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// No model of that name.
        case unknownModel = "unknown_model"
        /// Every deployment that is left has its cap of requests in flight.
        case saturated
        /// Every deployment that is left is cooling down after failures.
        case coolingDown = "cooling_down"
        /// The caller excluded every deployment.
        case exhausted

        /// Stable and bounded, for metrics.
        public var label: String { rawValue }
    }

    /// The kind of refusal.
    public let code: Code
    /// The model asked for.
    public let model: String
    /// Earliest time at which asking again may help; `nil` when time alone does not help.
    public let retryAfter_ms: Int?
}

extension PoolError: CustomStringConvertible {
    /// A full sentence.
    public var description: String {
        switch code {
        case .unknownModel: "The pool has no model named \"\(model)\"."
        case .saturated: "Every deployment of \"\(model)\" has as many requests in flight as it may have."
        case .coolingDown:
            "Every deployment of \"\(model)\" is cooling down after failures"
                + (retryAfter_ms.map { "; try again in \($0) ms." } ?? ".")
        case .exhausted: "Every deployment of \"\(model)\" has been tried."
        }
    }
}
