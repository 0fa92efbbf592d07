/// Cuts the life of one replica into stretches of one residency state, for the ledger. Pure.
///
/// A stretch starts where the one before it ended: their starts are the wall clock's when the clock was made, plus what a clock
/// that never jumps says has passed since. So no two stretches of a replica have the same start.
struct ResidencyClock: Sendable, Hashable {
    private let deployment: String
    private let replica: String
    private let device: String
    /// What to add to the steady clock to get milliseconds since 1970.
    private let offset_ms: Int
    private var state: ResidencyState?
    private var since_ms: Int

    /// - Parameters:
    ///   - replica: unique over all deployments and restarts of the daemon.
    ///   - now_ms: of a clock that never jumps.
    ///   - wall_ms: milliseconds since 1970 at that time.
    init(deployment: String, replica: String, device: String, now_ms: Int, wall_ms: Int) {
        self.deployment = deployment
        self.replica = replica
        self.device = device
        offset_ms = wall_ms - now_ms
        since_ms = now_ms
    }

    /// What bills call so many devices.
    static func device(count: Int) -> String { count == 0 ? "host" : count == 1 ? "gpu" : "gpu x \(count)" }

    /// The replica is in another state now, nil for one that holds nothing; returns the stretch that this ends.
    mutating func enter(_ next: ResidencyState?, at now_ms: Int) -> MeteredResidency? {
        guard next != state else { return nil }
        defer { state = next }
        return cut(at: now_ms)
    }

    /// The stretch so far when it is as long as `longest_ms`: a daemon that is killed loses no more than that.
    mutating func piece(longest_ms: Int, at now_ms: Int) -> MeteredResidency? {
        guard state != nil, now_ms - since_ms >= longest_ms else { return nil }
        return cut(at: now_ms)
    }

    private mutating func cut(at now_ms: Int) -> MeteredResidency? {
        guard let state else {
            since_ms = now_ms
            return nil
        }
        // Shorter than a millisecond: it goes to whatever follows.
        guard now_ms > since_ms else { return nil }
        defer { since_ms = now_ms }
        return MeteredResidency(
            deployment: deployment, replica: replica, device: device, state: state, start_ms: since_ms + offset_ms,
            duration_ms: now_ms - since_ms)
    }
}

extension ReplicaState {
    /// What a replica in this state is billed as; nil when it holds nothing.
    var residency: ResidencyState? {
        switch self {
        case .absent, .failed, .asleep(.cold): nil
        case .starting, .ready, .draining, .leaving, .waking: .awake
        case .asleep(.inPlace): .inPlace
        case .asleep(.suspended): .suspended
        case .asleep(.processSnapshot), .asleep(.kitSnapshot): .snapshot
        }
    }
}
