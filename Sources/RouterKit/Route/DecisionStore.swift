import Synchronization
import Transport
public import Wire

/// The latest receipts, found by request id. Bounded: a new one takes the place of the oldest. Any thread.
///
/// Every request inserts and hardly any looks up, so there is no index: a lookup walks the ring, newest first.
public final class DecisionStore: Sendable {
    private struct State {
        var ring: [Decision] = []
        /// Where the oldest receipt lies once the ring is full.
        var next = 0
    }

    private let capacity: Int
    private let state: Lock<State>

    /// An empty store of `limits.decisionStoreCount` receipts.
    public init(limits: Limits = .standard) {
        precondition(limits.decisionStoreCount > 0, "a store needs room for one receipt")
        capacity = limits.decisionStoreCount
        state = Lock(State())
    }

    /// Keeps `decision`; of two with one request id the later one is found.
    public func insert(_ decision: Decision) {
        // The receipt that makes room is destroyed after the lock is free: it holds dozens of references.
        var decision = decision
        state.withLock { state in
            guard state.ring.count == capacity else { return state.ring.append(decision) }
            swap(&state.ring[state.next], &decision)
            state.next = (state.next + 1) % capacity
        }
    }

    /// The receipt of that request, if it is still kept.
    public subscript(_ requestID: String) -> Decision? {
        state.withLock { state in
            for age in 1...max(1, state.ring.count) where !state.ring.isEmpty {
                let index = (state.next + state.ring.count - age) % state.ring.count
                if state.ring[index].requestID == requestID { return state.ring[index] }
            }
            return nil
        }
    }

    /// Receipts kept now.
    public var count: Int { state.withLock { $0.ring.count } }
}
