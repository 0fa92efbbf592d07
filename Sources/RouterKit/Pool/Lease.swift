/// The right to send one request to one deployment. Its capacity goes back exactly once: when ``finish(_:now_ns:)``
/// is called, or, without an outcome, when the lease is destroyed, which counts as cancelled.
public struct Lease: ~Copyable, Sendable {
    /// The model's name in the pool.
    public let model: String
    /// Where to send the request.
    public let deployment: Deployment
    /// The key to present; `nil` when the deployment has none.
    public let key: APIKey?

    private let pool: ModelPool
    private let grant: ModelPool.Grant
    private var isFinished = false

    init(pool: ModelPool, model: String, grant: ModelPool.Grant) {
        self.pool = pool
        self.model = model
        self.grant = grant
        deployment = grant.deployment
        key = grant.key
    }

    deinit {
        if !isFinished { pool.giveBack(grant, .cancelled, now_ns: 0) }
    }

    /// Gives the capacity back and tells the pool what came of it. `now_ns` is `EventLoop.clock_ns()`.
    public consuming func finish(_ outcome: LeaseOutcome, now_ns: UInt64) {
        isFinished = true
        pool.giveBack(grant, outcome, now_ns: now_ns)
    }
}
