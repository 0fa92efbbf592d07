/// What a deployment is doing, for tables and the interface.
public struct DeploymentStatus: Sendable, Hashable {
    /// One of its replicas.
    public struct Replica: Sendable, Hashable {
        /// Its number, from 1.
        public var number: Int
        /// See `ReplicaState.label`.
        public var state: String
        /// The tier it sleeps in, wakes from or goes to.
        public var tier: SleepTier?
        /// The engine's process; nil without one.
        public var pid: Int32?
        /// The engine's port; nil without an engine.
        public var port: UInt16?
        /// Memory of the engine, each shared page counted in parts.
        public var residentBytes: Int
        /// What the last sleep gave back.
        public var freedBytes: Int
        /// Requests being answered.
        public var inFlight: Int
        /// Why it failed, if it did.
        public var failure: String?
    }

    /// The deployment.
    public var spec: DeploymentSpec
    /// Whether it was stopped by hand.
    public var isStopped: Bool
    /// Its replicas.
    public var replicas: [Replica]
    /// Requests that wait.
    public var held: Int
    /// Requests so far.
    public var requests: Int
    /// Those of them that were answered.
    public var answered: Int
    /// Tokens so far, as the engine counted them.
    public var promptTokens: Int
    /// Tokens so far, as the engine counted them.
    public var answerTokens: Int
    /// The memory that a replica waits for, in a sentence; nil when none does.
    public var waitsFor: String?
    /// What a replica takes when it is up: as measured, else as estimated.
    public var need: MemorySize
    /// The tier it would sleep in now.
    public var nextTier: SleepTier
    /// How long a wake from there is predicted to take.
    public var predictedWake_ms: Int
    /// Tiers that were put aside or are not to be had, with the reason.
    public var lostTiers: [String]
    /// What happened last, newest last.
    public var notes: [String]
    /// How the last ways to readiness went, newest last.
    public var wakes: [Waterfall]

    /// The state of the deployment as a whole: that of its most awake replica.
    public var state: String {
        if isStopped { return "stopped" }
        let order = ["ready", "draining", "waking", "starting", "falling-asleep", "asleep", "failed", "stopping"]
        return order.first { label in replicas.contains { $0.state == label } } ?? "absent"
    }
}
