public import Wire

/// The receipt of one routing decision: what was known, what was chosen, and why nothing else was.
///
/// Together with the pool's cards it is enough to replay the choice. Holds neither prompt text nor keys.
public struct Decision: Sendable, Hashable {
    /// One try at a deployment, filled in after the decision.
    public struct Attempt: Sendable, Hashable {
        /// The model's name in the pool.
        public var model: String
        /// The deployment's id.
        public var deployment: String
        /// The upstream's status; `nil` when no head arrived.
        public var status: Int?
        /// From sending to the response's head, or to the failure, in milliseconds.
        public var latency_ms: Double
        /// What went wrong, a bounded label; `nil` when nothing did.
        public var errorLabel: String?

        /// A try.
        public init(model: String, deployment: String, status: Int?, latency_ms: Double, errorLabel: String?) {
            self.model = model
            self.deployment = deployment
            self.status = status
            self.latency_ms = latency_ms
            self.errorLabel = errorLabel
        }
    }

    /// The request's id, as in `x-request-id`.
    public let requestID: String
    /// When it was decided, in milliseconds since 1970 UTC.
    public let time_unix_ms: Int64
    /// The API the client spoke.
    public let dialect: Dialect
    /// The mode in force.
    public let mode: RoutingMode
    /// What the client put into `model`.
    public let requestedModel: String
    /// The plan: the choice, the order of failover, the rejected.
    public let plan: Plan
    /// How hard the request looked, 0...1; `nil` when the client named the model and nothing was assessed.
    public let difficulty: Double?
    /// How far the classifier trusted itself, 0...1; `nil` as above.
    public let support: Double?
    /// What spoke for the prediction.
    public let signals: SignalList
    /// SHA-256 over the policy and the pool's cards, lower-case hex.
    public let policyHash: String
    /// ``ComplexityClassifier/version``.
    public let classifierVersion: String
    /// Time spent on classifying and choosing, in nanoseconds.
    public let decisionTime_ns: UInt64

    /// Tries, in their order. Added by whoever makes them.
    public var attempts: [Attempt] = []
    /// The model whose answer the client got; `nil` until one answered.
    public var servedModel: String?

    /// What became of asking cheap models first; `nil` when the request did not go through a cascade.
    public var cascade: CascadeRecord?

    /// The model that was chosen first.
    public var chosenModel: String { plan.chosen.model }

    /// A receipt; `assessment` is `nil` when the client named the model.
    public init(
        requestID: String, time_unix_ms: Int64, dialect: Dialect, mode: RoutingMode, requestedModel: String, plan: Plan,
        assessment: Assessment?, policyHash: String, classifierVersion: String, decisionTime_ns: UInt64
    ) {
        self.requestID = requestID
        self.time_unix_ms = time_unix_ms
        self.dialect = dialect
        self.mode = mode
        self.requestedModel = requestedModel
        self.plan = plan
        difficulty = assessment?.difficulty
        support = assessment?.support
        signals = assessment?.signals ?? []
        self.policyHash = policyHash
        self.classifierVersion = classifierVersion
        self.decisionTime_ns = decisionTime_ns
    }

    /// Why the choice fell as it did, in one line for people and for `x-router-reason`. ASCII without line breaks.
    public var reason: String {
        var bytes = ByteWriter(capacity: 192)
        appendReason(to: &bytes)
        return bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    /// Appends ``reason``; free of characters that JSON escapes.
    func appendReason(to bytes: inout some (ByteSink & ~Copyable)) {
        let chosen = plan.chosen
        ByteText.append(mode.rawValue, to: &bytes)
        ByteText.append(": ", to: &bytes)
        chosen.reason.appendText(to: &bytes)
        ByteText.append("; ", to: &bytes)
        ByteText.append(chosen.tier.name, to: &bytes)
        ByteText.append(" tier", to: &bytes)
        if let quality = chosen.quality {
            ByteText.append(", predicted quality ", to: &bytes)
            ByteText.appendFixed(quality, decimals: 3, to: &bytes)
        }
        if let difficulty {
            ByteText.append(", difficulty ", to: &bytes)
            ByteText.appendFixed(difficulty, decimals: 2, to: &bytes)
        }
        if let cost_usd = chosen.cost_usd {
            ByteText.append(", estimate $", to: &bytes)
            ByteText.appendFixed(cost_usd, decimals: 6, to: &bytes)
        } else {
            ByteText.append(", cost unknown", to: &bytes)
        }
    }
}
