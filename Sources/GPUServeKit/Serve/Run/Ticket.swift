internal import Synchronization
internal import Transport

/// The right to send one request to one engine. Given back once, at the latest when the last reference goes.
final class Ticket: Sendable {
    enum Outcome: Sendable {
        /// An answer came, whatever it said.
        case answered
        /// The client went away.
        case cancelled
        /// The engine gave nothing, or broke off.
        case failed
    }

    let replica: Int
    /// `http://127.0.0.1:PORT`.
    let url: String
    /// What the replica came back from when it came up last.
    let tier: SleepTier
    private let isOnTrial: Bool
    private let generation: UInt64
    private let front: DeploymentFront
    private let isOpen = Atomic<Bool>(true)

    init(replica: Int, generation: UInt64, url: String, tier: SleepTier, isOnTrial: Bool, front: DeploymentFront) {
        self.replica = replica
        self.generation = generation
        self.url = url
        self.tier = tier
        self.isOnTrial = isOnTrial
        self.front = front
    }

    deinit { finish(.cancelled) }

    /// Whether what the engine says may be given away: at once, or when its canary has come to an end.
    nonisolated(nonsending) func isTrusted() async -> Bool {
        guard isOnTrial else { return true }
        return await front.trust(in: replica, generation)
    }

    func finish(_ outcome: Outcome) {
        guard isOpen.exchange(false, ordering: .acquiringAndReleasing) else { return }
        front.giveBack(replica, generation, outcome)
    }
}
