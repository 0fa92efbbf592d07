import Synchronization
import Transport
public import Wire

/// The latest receipts, found by request id. Bounded: a new one takes the place of the oldest. Any thread.
///
/// Every request inserts and hardly any looks up, so there is no index: a lookup walks the ring, newest first.
public final class DecisionStore: Sendable {
    private let ring: Lock<LatestRing<Decision>>

    /// An empty store of `limits.decisionStoreCount` receipts.
    public init(limits: Limits = .standard) {
        ring = Lock(LatestRing(capacity: limits.decisionStoreCount))
    }

    /// Keeps `decision`; of two with one request id the later one is found.
    public func insert(_ decision: Decision) {
        // The receipt that makes room is destroyed after the lock is free: it holds dozens of references.
        var decision = decision
        ring.withLock { $0.insert(&decision) }
    }

    /// The receipt of that request, if it is still kept.
    public subscript(_ requestID: String) -> Decision? {
        ring.withLock { ring in ring.position { $0.requestID == requestID }.map { ring[$0] } }
    }

    /// Receipts kept now.
    public var count: Int { ring.withLock { $0.count } }
}
