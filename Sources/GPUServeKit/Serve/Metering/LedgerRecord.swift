/// One line of the ledger: something that happened and may cost money.
public enum LedgerRecord: Sendable, Hashable {
    /// A request that was answered, whole or in part.
    case request(MeteredRequest)
    /// A stretch of time that a replica spent in one state.
    case residency(MeteredResidency)
    /// From here on, the prices of one deployment. Records before it keep their prices.
    case price(deployment: String, Price)

    /// What makes a second record of the same thing recognizable. A price is in force from where it stands, again and again.
    var identity: String? {
        switch self {
        case .request(let request): "r " + request.id
        case .residency(let residency): "s \(residency.replica) \(residency.start_ms)"
        case .price: nil
        }
    }

    /// The deployment concerned.
    var deployment: String {
        switch self {
        case .request(let request): request.deployment
        case .residency(let residency): residency.deployment
        case .price(let deployment, _): deployment
        }
    }
}

/// A request that was answered.
public struct MeteredRequest: Sendable, Hashable {
    /// How the answer ended; billed in each case by the tokens that the engine reported.
    public enum Outcome: String, Sendable, Hashable, CaseIterable {
        /// To its end.
        case complete
        /// The client went away before its end.
        case clientGone
        /// The engine failed before its end.
        case engineFailed
    }

    /// Chosen by the daemon, never by a client, and never twice: two records of one id are billed once.
    public var id: String
    /// Milliseconds since 1970.
    public var ended_ms: Int
    /// The deployment's name.
    public var deployment: String
    /// The variant that was asked for, if any.
    public var variant: String?
    /// The name of the client's key, never the key itself; nil without keys.
    public var key: String?
    /// How the answer ended.
    public var outcome: Outcome
    /// Nil when the engine did not say; then the request counts, and its cost is unknown.
    public var tokens: MeteredTokens?

    /// A request that was answered.
    public init(
        id: String, ended_ms: Int, deployment: String, variant: String? = nil, key: String? = nil,
        outcome: Outcome, tokens: MeteredTokens?
    ) {
        self.id = id
        self.ended_ms = ended_ms
        self.deployment = deployment
        self.variant = variant
        self.key = key
        self.outcome = outcome
        self.tokens = tokens
    }
}

/// A stretch of time in one state. Long ones are recorded in pieces, so that a killed daemon loses at most one piece.
public struct MeteredResidency: Sendable, Hashable {
    /// The deployment's name.
    public var deployment: String
    /// The replica's name, unique over all deployments and restarts.
    public var replica: String
    /// The devices it holds: "cuda:0", "host".
    public var device: String
    /// What it held.
    public var state: ResidencyState
    /// Milliseconds since 1970.
    public var start_ms: Int
    /// From `start_ms` on, by a clock that never jumps.
    public var duration_ms: Int

    /// A stretch of time in one state.
    public init(
        deployment: String, replica: String, device: String, state: ResidencyState, start_ms: Int, duration_ms: Int
    ) {
        self.deployment = deployment
        self.replica = replica
        self.device = device
        self.state = state
        self.start_ms = start_ms
        self.duration_ms = max(0, duration_ms)
    }
}
