/// Where a replica is in its life.
public enum ReplicaState: Sendable, Hashable {
    /// There is no engine.
    case absent
    /// A first engine is being started.
    case starting(Step)
    /// Requests are answered.
    case ready
    /// Requests that are there are answered, new ones are not taken.
    case draining(Goal)
    /// The engine is being put to sleep, or ended.
    case leaving(Goal)
    /// Nothing is answered; see the tier for what is left.
    case asleep(SleepTier)
    /// The engine is being brought back.
    case waking(SleepTier, Step)
    /// Given up for now; `canRetry` says whether a new attempt will be made by itself.
    case failed(ReplicaFailure, canRetry: Bool)

    /// What a start or a wake is waiting for.
    public enum Step: Sendable, Hashable {
        /// The engine, to be ready.
        case engine
        /// The canary, to be answered rightly.
        case canary
    }

    /// Where a replica that leaves goes.
    public enum Goal: Sendable, Hashable {
        /// To sleep.
        case sleep(SleepTier)
        /// To its end.
        case stop
    }

    /// A name for tables and headers, of a fixed set.
    public var label: String {
        switch self {
        case .absent: "absent"
        case .starting: "starting"
        case .ready: "ready"
        case .draining: "draining"
        case .leaving(.sleep): "falling-asleep"
        case .leaving(.stop): "stopping"
        case .asleep: "asleep"
        case .waking: "waking"
        case .failed: "failed"
        }
    }

    /// The tier it sleeps in, wakes from or goes to.
    public var tier: SleepTier? {
        switch self {
        case .asleep(let tier), .waking(let tier, _), .draining(.sleep(let tier)), .leaving(.sleep(let tier)): tier
        case .starting: .cold
        default: nil
        }
    }
}
