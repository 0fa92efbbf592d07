import Synchronization
import Transport
public import Wire

/// The latest receipts, found by request id. Bounded: a new one takes the place of the oldest. Any thread.
public final class DecisionStore: Sendable {
    private struct State {
        var ring: [Decision] = []
        var next = 0
        var indices: [String: Int] = [:]
    }

    private let capacity: Int
    private let state: Lock<State>

    /// An empty store of `limits.decisionStoreCount` receipts.
    public init(limits: Limits = .standard) {
        precondition(limits.decisionStoreCount > 0, "a store needs room for one receipt")
        capacity = limits.decisionStoreCount
        state = Lock(State())
    }

    /// Keeps `decision`, in place of an earlier one with the same request id if there is one.
    public func insert(_ decision: Decision) {
        // The receipt that makes room is destroyed after the lock is free: it holds dozens of references.
        let replaced = state.withLock { state -> Decision? in
            if let index = state.indices[decision.requestID] {
                let old = state.ring[index]
                state.ring[index] = decision
                return old
            }
            guard state.ring.count == capacity else {
                state.indices[decision.requestID] = state.ring.count
                state.ring.append(decision)
                return nil
            }
            let old = state.ring[state.next]
            state.indices[old.requestID] = nil
            state.indices[decision.requestID] = state.next
            state.ring[state.next] = decision
            state.next = (state.next + 1) % capacity
            return old
        }
        withExtendedLifetime(replaced) {}
    }

    /// The receipt of that request, if it is still kept.
    public subscript(_ requestID: String) -> Decision? {
        state.withLock { state in state.indices[requestID].map { state.ring[$0] } }
    }

    /// Receipts kept now.
    public var count: Int { state.withLock { $0.ring.count } }
}
