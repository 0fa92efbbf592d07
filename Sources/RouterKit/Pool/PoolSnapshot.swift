/// The pool's state at one moment, for metrics and for `/readyz`. Holds no keys.
public struct PoolSnapshot: Sendable, Hashable {
    /// One model.
    public struct Model: Sendable, Hashable {
        /// The model's name.
        public let name: String
        /// Its deployments in the order of the card.
        public let deployments: [Deployment]
        /// Whether a lease would be given now.
        public var isAvailable: Bool { deployments.contains(where: \.isAvailable) }
    }

    /// One deployment.
    public struct Deployment: Sendable, Hashable {
        /// The deployment's id.
        public let id: String
        /// Leases out now.
        public let inFlightCount: Int
        /// The cap on leases; `nil` without one.
        public let maxConcurrent: Int?
        /// `closed`, `open` or `half_open`.
        public let breakerLabel: String
        /// Times the breaker of the address or of a key has opened.
        public let openedCount: Int
        /// Keys that cannot be used now.
        public let coolingKeysCount: Int
        /// Whether a lease would be given now.
        public let isAvailable: Bool
        /// Time until a lease may be given; `nil` when it would be given now or when only a returned lease helps.
        public let retryAfter_ms: Int?
        /// Leases that ended in success, since the pool was made.
        public let successCount: Int
        /// Leases that ended without an outcome of the deployment's making.
        public let cancelledCount: Int
        /// Leases that ended in failure, by kind; kinds that never happened are left out.
        public let failureCounts: [LeaseOutcome.FailureKind: Int]
    }

    /// The pool's models in its order.
    public let models: [Model]
}
