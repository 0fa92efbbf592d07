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
        /// It needs an awake replica, and there is none.
        case notAwake = "not_awake"
        /// The engine, or the deployment as it is, has no images.
        case noImages = "no_images"
        /// The system does not permit it, or lacks the program for it; the detail is that of a `ReplicaFailure`.
        case notPermitted = "not_permitted"
        /// Something else is being done with it; later it can be.
        case deploymentBusy = "deployment_busy"
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
        case .nameTaken, .tooLarge, .notAwake, .noImages, .notPermitted, .deploymentBusy: 409
        case .unknownDeployment, .unknownKey: 404
        case .stateBusy, .stateUnusable, .ledgerUnusable: 500
        case .replicaFailed: 502
        case .tooMany: 429
        }
    }
}
