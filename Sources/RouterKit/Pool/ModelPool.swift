import Synchronization
import Transport
public import Wire

/// The models that requests can be sent to, with the state of every deployment.
///
/// One lock and no await: any thread may lease, and holds the lock for a pass over the model's deployments.
/// Among the healthy deployments of a model the choice is a smooth weighted round robin: deterministic, in
/// proportion to the weights, and never the same one many times in a row. Keys rotate; a key that was refused or
/// limited rests while the others go on.
public final class ModelPool: Sendable {
    /// What a lease needs to give its capacity back.
    struct Grant: Sendable {
        let slot: Int
        let ticket: CircuitBreaker.Ticket
        let deployment: Deployment
        var lane: Int?
        var keyTicket: CircuitBreaker.Ticket?
        var key: APIKey?
    }

    private let state: Lock<PoolState>
    private let limits: Limits

    /// A pool of `cards`, all healthy. Throws when a card is out of range (``ModelCard/validate(_:limits:)``).
    public init(
        cards: [ModelCard], breakers: CircuitBreaker.Settings = CircuitBreaker.Settings(), limits: Limits = .standard
    ) throws(CardError) {
        try ModelCard.validate(cards, limits: limits)
        self.limits = limits
        state = Lock(PoolState(cards: cards, settings: breakers))
    }

    /// The cards as configured.
    public var cards: [ModelCard] { state.withLock { $0.cards } }

    /// Takes new cards without disturbing requests in flight. A deployment whose id, address, upstream model and
    /// keys are unchanged keeps its health; on a bad card nothing changes and the error says why.
    public func replace(cards: [ModelCard]) throws(CardError) {
        try ModelCard.validate(cards, limits: limits)
        state.withLock { $0.replace(cards) }
    }

    /// Takes the next healthy deployment of `model`.
    ///
    /// - Parameters:
    ///   - excluding: ids of deployments not to use, typically those already tried for this request.
    ///   - now_ns: `EventLoop.clock_ns()`.
    /// - Throws: `PoolError` with the earliest time at which asking again may help.
    public func lease(model: String, excluding: Set<String> = [], now_ns: UInt64) throws(PoolError) -> Lease {
        let grant = try state.withLock { $0.lease(model: model, excluding: excluding, now_ns: now_ns) }.get()
        return Lease(pool: self, model: model, grant: grant)
    }

    /// Called once per grant, by its lease.
    func giveBack(_ grant: Grant, _ outcome: LeaseOutcome, now_ns: UInt64) {
        state.withLock { $0.giveBack(grant, outcome, now_ns: now_ns) }
    }

    /// What a policy sees of the pool at this moment.
    public func view(now_ns: UInt64) -> PoolView {
        state.withLock { PoolView(cards: $0.cards, availability: $0.availability(now_ns: now_ns)) }
    }

    /// The state of every deployment, for metrics.
    public func snapshot(now_ns: UInt64) -> PoolSnapshot {
        state.withLock { $0.snapshot(now_ns: now_ns) }
    }
}
