/// Why the serverless runtime did not do what it was asked.
public struct ServeError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of failure: a small closed set, fit for metric labels.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// A deployment that makes no sense.
        case invalidSpec = "invalid_deployment"
        /// There is a deployment of that name.
        case nameTaken = "name_taken"
        /// There is no deployment of that name.
        case unknownDeployment = "unknown_deployment"
        /// Another daemon uses the state directory.
        case stateBusy = "state_busy"
        /// The state directory cannot be used.
        case stateUnusable = "state_unusable"
        /// It could not be done; the detail is that of a `ReplicaFailure`.
        case replicaFailed = "replica_failed"
        /// No more deployments are taken.
        case tooMany = "too_many_deployments"
        /// It needs more memory, or other devices, than there are; the detail is that of a `DeploymentPlan.Refusal`.
        case tooLarge = "too_large"
        /// There is no key of that name.
        case unknownKey = "unknown_key"
        /// The ledger cannot be read or written.
        case ledgerUnusable = "ledger_unusable"

        /// A name for metrics and error bodies.
        public var label: String { rawValue }
    }

    /// The kind of failure.
    public let code: Code
    /// What was wrong and what to do, in a sentence without the final stop. Holds no secret.
    public let detail: String

    /// An error of kind `code`.
    public init(_ code: Code, _ detail: String) {
        self.code = code
        self.detail = detail
    }

    /// `label: detail`.
    public var description: String { "\(code.label): \(detail)" }

    /// The status to answer with.
    public var httpStatus: Int {
        switch code {
        case .invalidSpec: 400
        case .nameTaken, .tooLarge: 409
        case .unknownDeployment, .unknownKey: 404
        case .stateBusy, .stateUnusable, .ledgerUnusable: 500
        case .replicaFailed: 502
        case .tooMany: 429
        }
    }
}
