internal import Wire

/// Requests that wait for a replica of one deployment, in order of arrival and within bounds. Guarded by the front's lock:
/// what it gives back is resumed outside of it.
struct HeldRequests {
    private struct Waiter {
        var continuation: UnsafeContinuation<DeploymentFront.Waited, Never>?
        /// What came before anybody waited for it.
        var result: DeploymentFront.Waited?
        let bytes: Int
        let deadline_ns: UInt64
        let wantsProgress: Bool
    }

    /// Continuations to resume once the lock is free, and tickets that nobody wanted.
    struct Settled {
        fileprivate var resumed: [(UnsafeContinuation<DeploymentFront.Waited, Never>, DeploymentFront.Waited)] = []
        fileprivate var unused: [Ticket] = []

        func carryOut() {
            for (continuation, result) in resumed { continuation.resume(returning: result) }
            for ticket in unused { ticket.finish(.cancelled) }
        }
    }

    private var waiters: [UInt64: Waiter] = [:]
    /// Numbers of all that wait, in order of arrival.
    private(set) var order: [UInt64] = []
    private var last: UInt64 = 0
    private var byteCount = 0
    private let longestCount: Int
    private let longestBytes: Int

    init(_ limits: Limits) {
        longestCount = limits.heldRequestCount
        longestBytes = limits.heldRequestBytes
    }

    var count: Int { waiters.count }
    var isEmpty: Bool { order.isEmpty }

    /// Whether it still waits for something to come of it.
    func isUnanswered(_ id: UInt64) -> Bool {
        switch waiters[id]?.result {
        case nil: waiters[id] != nil
        case .progress?: true
        default: false
        }
    }

    /// Takes a request in; nil when too many, or too long ones, wait already.
    mutating func add(bytes: Int, deadline_ns: UInt64, wantsProgress: Bool) -> UInt64? {
        guard waiters.count < longestCount, byteCount + bytes <= longestBytes else { return nil }
        last += 1
        waiters[last] = Waiter(bytes: bytes, deadline_ns: deadline_ns, wantsProgress: wantsProgress)
        order.append(last)
        byteCount += bytes
        return last
    }

    /// What has come of a request; nil when nothing has, and `continuation` is kept until then.
    mutating func wait(
        _ id: UInt64, _ continuation: UnsafeContinuation<DeploymentFront.Waited, Never>
    ) -> DeploymentFront.Waited? {
        guard let result = waiters[id].map(\.result) else { return .cancelled }
        switch result {
        case nil: waiters[id]?.continuation = continuation
        case .progress?: waiters[id]?.result = nil
        default: forget(id)
        }
        return result
    }

    /// Ends waits, or tells those who wait how it goes.
    mutating func settle(_ results: [(UInt64, DeploymentFront.Waited)]) -> Settled {
        var settled = Settled()
        for (id, result) in results {
            guard var waiter = waiters[id] else {
                if case .ticket(let ticket) = result { settled.unused.append(ticket) }
                continue
            }
            if let continuation = waiter.continuation.take() {
                settled.resumed.append((continuation, result))
                if case .progress = result { waiters[id] = waiter } else { forget(id) }
            } else if case .cancelled = result {
                if case .ticket(let ticket)? = waiter.result { settled.unused.append(ticket) }
                forget(id)
            } else if case .progress = result {
                // It has not read the last word yet.
            } else {
                waiter.result = result
                waiters[id] = waiter
            }
        }
        order.removeAll { waiters[$0] == nil }
        return settled
    }

    /// Those whose deadline is over and, if it is time for that, those that want to be told how it goes.
    func due(
        at now_ns: UInt64, _ outlook: DeploymentFront.Outlook, tellsProgress: Bool
    ) -> [(UInt64, DeploymentFront.Waited)] {
        order.compactMap { id in
            guard let waiter = waiters[id], waiter.result == nil else { return nil }
            if waiter.deadline_ns <= now_ns { return (id, .refused(.deadline(waitingFor: outlook.obstacle))) }
            return tellsProgress && waiter.wantsProgress ? (id, .progress(outlook)) : nil
        }
    }

    /// The first deadline that is yet to come; nil without one.
    func earliestDeadline_ns(after now_ns: UInt64) -> UInt64? {
        waiters.values.lazy.map(\.deadline_ns).filter { $0 > now_ns }.min()
    }

    private mutating func forget(_ id: UInt64) {
        guard let waiter = waiters.removeValue(forKey: id) else { return }
        byteCount -= waiter.bytes
    }
}
