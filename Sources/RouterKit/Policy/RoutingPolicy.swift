/// Chooses a model for a request.
///
/// A conformance must be pure and deterministic: the same view, request, assessment and mode give the same plan, so
/// that receipts can be replayed. `choose` runs on an event-loop thread for every request; it must neither block
/// nor keep state, and should take a few microseconds.
public protocol RoutingPolicy: Sendable {
    /// Everything that decides the choice apart from the arguments of `choose`, as text: hashed into receipts.
    var canonicalText: String { get }

    /// Plans for a request. Every model of `pool` must appear exactly once in the plan or in the error.
    func choose(
        _ pool: borrowing PoolView, for request: borrowing RequestView, given assessment: borrowing Assessment,
        mode: RoutingMode
    ) throws(NoCandidate) -> Plan

    /// This policy prepared for a pool and a classifier: where what it knows is looked up.
    ///
    /// Called once per configuration, never per request. The default is the policy itself.
    func bound(to cards: [ModelCard], classifierVersion: String) -> any RoutingPolicy
}

extension RoutingPolicy {
    /// The policy itself: it knows nothing about particular pools.
    public func bound(to cards: [ModelCard], classifierVersion: String) -> any RoutingPolicy { self }
}
