internal import Synchronization
internal import Transport
internal import Wire

/// Where requests for one deployment come in: they get a ticket for a ready replica, wait for one within bounds, or are
/// refused. One lock and no task for a request that finds a replica ready. Any thread.
final class DeploymentFront: Sendable {
    /// What a request gets.
    enum Entry: Sendable {
        case ticket(Ticket)
        /// It waits under this number: call `wait`.
        case held(UInt64)
        case refused(Refusal)
    }

    /// What a wait ends with.
    enum Waited: Sendable {
        case ticket(Ticket)
        /// Still waiting; for the client to be told.
        case progress(Outlook)
        case refused(Refusal)
        case cancelled
    }

    /// Why a request is not answered by a model.
    enum Refusal: Sendable, Hashable {
        /// Too many wait.
        case full
        /// Its own deadline came first.
        case deadline
        /// The engine could not be brought up.
        case failed(ReplicaFailure)
        /// The deployment was stopped or removed.
        case stopped
    }

    /// What is known of the way to an answer.
    struct Outlook: Sendable, Hashable {
        var state = "absent"
        var tier: SleepTier?
        /// From the beginning of the wake.
        var predicted_ms = 0
        /// When that began; 0 while it has not.
        var begun_ns: UInt64 = 0

        func remaining_ms(at now_ns: UInt64) -> Int {
            guard begun_ns > 0, now_ns > begun_ns else { return predicted_ms }
            return max(0, predicted_ms - Int((now_ns - begun_ns) / 1_000_000))
        }
    }

    private struct Slot {
        let url: String
        let generation: UInt64
        /// What it came back from.
        var tier: SleepTier
        var inFlight = 0
        /// Most requests at once.
        var inFlightLimit: Int
        /// Whether its canary has yet to pass; who waits for that.
        var isOnTrial: Bool
        var trustWaiters: [UnsafeContinuation<Bool, Never>] = []
        /// Whether new requests are taken.
        var isOpen = true
        var drain: CheckedContinuation<Void, Never>?
    }

    private struct Waiter {
        var continuation: UnsafeContinuation<Waited, Never>?
        /// What came before `wait` was called.
        var result: Waited?
        let bytes: Int
        let deadline_ns: UInt64
        let wantsProgress: Bool
    }

    private struct State {
        var slots: [Int: Slot] = [:]
        var waiters: [UInt64: Waiter] = [:]
        /// Numbers of waiters in order of arrival; some may be gone.
        var order: [UInt64] = []
        var nextWaiter: UInt64 = 0
        var heldBytes = 0
        var outlook = Outlook()
        var isStopped = false
        var arrivals_ms: [Int] = []
        var counts = Counts()
    }

    /// What came through.
    struct Counts: Sendable, Hashable {
        var requests = 0
        var answered = 0
        var failed = 0
        var cancelled = 0
        var refused = 0
        var promptTokens = 0
        var answerTokens = 0
    }

    /// What the autoscaler wants to know.
    struct Load: Sendable {
        var inFlight = 0
        var held = 0
        var arrivals_ms: [Int] = []
    }

    private let state = Lock(State())
    private let limits: Limits
    /// Called, on any thread and outside of the lock, when somebody begins to wait.
    private let demanded: @Sendable () -> Void
    /// Called when an engine gave nothing.
    private let suspected: @Sendable (_ replica: Int) -> Void
    /// Called when an engine answered.
    private let proven: @Sendable (_ replica: Int) -> Void

    init(
        limits: Limits, demanded: @escaping @Sendable () -> Void, suspected: @escaping @Sendable (Int) -> Void,
        proven: @escaping @Sendable (Int) -> Void
    ) {
        self.limits = limits
        self.demanded = demanded
        self.suspected = suspected
        self.proven = proven
    }

    // MARK: Requests

    /// Takes a request in, or again after an engine gave nothing.
    func enter(bytes: Int, deadline_ns: UInt64, wantsProgress: Bool, isAgain: Bool) -> Entry {
        let now_ms = Int(EventLoop.clock_ns() / 1_000_000)
        let (entry, mustTell) = state.withLock { state -> (Entry, Bool) in
            if !isAgain {
                state.counts.requests += 1
                if state.arrivals_ms.count < 4096 { state.arrivals_ms.append(now_ms) }
            }
            if state.isStopped { return (refuse(&state, .stopped), false) }
            if let ticket = take(&state) { return (.ticket(ticket), false) }
            guard state.waiters.count < limits.heldRequestCount, state.heldBytes + bytes <= limits.heldRequestBytes
            else { return (refuse(&state, .full), false) }
            state.nextWaiter += 1
            let id = state.nextWaiter
            state.waiters[id] = Waiter(bytes: bytes, deadline_ns: deadline_ns, wantsProgress: wantsProgress)
            state.order.append(id)
            state.heldBytes += bytes
            return (.held(id), true)
        }
        if mustTell { demanded() }
        return entry
    }

    private func refuse(_ state: inout State, _ refusal: Refusal) -> Entry {
        state.counts.refused += 1
        return .refused(refusal)
    }

    /// A ticket for the replica with the fewest requests; nil when none takes any.
    private func take(_ state: inout State) -> Ticket? {
        var best: (replica: Int, slot: Slot)?
        for (replica, slot) in state.slots where slot.isOpen && slot.inFlight < slot.inFlightLimit {
            if best == nil || slot.inFlight < best!.slot.inFlight { best = (replica, slot) }
        }
        guard let best else { return nil }
        state.slots[best.replica]?.inFlight += 1
        return Ticket(
            replica: best.replica, generation: best.slot.generation, url: best.slot.url, tier: best.slot.tier,
            isOnTrial: best.slot.isOnTrial, front: self)
    }

    /// Waits for what comes of a held request. Again after `progress`. Once cancelled, it is forgotten.
    nonisolated(nonsending) func wait(_ id: UInt64) async -> Waited {
        await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                let ready = state.withLock { state -> Waited? in
                    guard var waiter = state.waiters[id] else { return .cancelled }
                    if let result = waiter.result {
                        if case .progress = result {
                            waiter.result = nil
                            state.waiters[id] = waiter
                        } else {
                            forget(id, &state)
                        }
                        return result
                    }
                    waiter.continuation = continuation
                    state.waiters[id] = waiter
                    return nil
                }
                if let ready { continuation.resume(returning: ready) }
            }
        } onCancel: {
            settle([(id, .cancelled)])
        }
    }

    private func forget(_ id: UInt64, _ state: inout State) {
        guard let waiter = state.waiters.removeValue(forKey: id) else { return }
        state.heldBytes -= waiter.bytes
    }

    /// Continuations to resume once the lock is free, and tickets that nobody wanted.
    private struct Settled {
        var resumed: [(UnsafeContinuation<Waited, Never>, Waited)] = []
        var unused: [Ticket] = []

        func carryOut() {
            for (continuation, result) in resumed { continuation.resume(returning: result) }
            for ticket in unused { ticket.finish(.cancelled) }
        }
    }

    /// Ends waits, or tells those who wait how it goes.
    private func settle(_ results: [(UInt64, Waited)]) {
        state.withLock { state in settle(results, &state) }.carryOut()
    }

    private func settle(_ results: [(UInt64, Waited)], _ state: inout State) -> Settled {
        var settled = Settled()
        for (id, result) in results {
            guard var waiter = state.waiters[id] else {
                if case .ticket(let ticket) = result { settled.unused.append(ticket) }
                continue
            }
            if let continuation = waiter.continuation.take() {
                settled.resumed.append((continuation, result))
                if case .progress = result { state.waiters[id] = waiter } else { forget(id, &state) }
            } else if case .cancelled = result {
                if case .ticket(let ticket)? = waiter.result { settled.unused.append(ticket) }
                forget(id, &state)
            } else if case .progress = result {
                // It has not read the last word yet.
            } else {
                waiter.result = result
                state.waiters[id] = waiter
            }
        }
        state.order.removeAll { state.waiters[$0] == nil }
        return settled
    }

    func giveBack(_ replica: Int, _ generation: UInt64, _ outcome: Ticket.Outcome) {
        let drain = state.withLock { state -> CheckedContinuation<Void, Never>? in
            switch outcome {
            case .answered: state.counts.answered += 1
            case .cancelled: state.counts.cancelled += 1
            case .failed: state.counts.failed += 1
            }
            guard var slot = state.slots[replica], slot.generation == generation else { return nil }
            slot.inFlight -= 1
            // No more until somebody has looked whether it lives.
            if outcome == .failed { slot.isOpen = false }
            let drain = slot.inFlight == 0 ? slot.drain.take() : nil
            state.slots[replica] = slot
            return drain
        }
        drain?.resume()
        switch outcome {
        case .answered: proven(replica)
        case .failed: suspected(replica)
        case .cancelled: break
        }
        serveWaiters()
    }

    func count(prompt: Int, answer: Int) {
        state.withLock {
            $0.counts.promptTokens += prompt
            $0.counts.answerTokens += answer
        }
    }

    // MARK: Replicas

    /// Requests may go to a replica from now on, which came back from `tier`.
    ///
    /// - Parameter trialCount: nil when its canary has passed; until then, how many requests may be asked beside the canary.
    func open(_ replica: Int, generation: UInt64, url: String, tier: SleepTier, trialCount: Int? = nil) {
        let trusting = state.withLock { state -> [UnsafeContinuation<Bool, Never>] in
            var slot = Slot(
                url: url, generation: generation, tier: tier, inFlightLimit: trialCount ?? limits.replicaInFlightCount,
                isOnTrial: trialCount != nil)
            var waiters: [UnsafeContinuation<Bool, Never>] = []
            if let before = state.slots[replica], before.generation == generation {
                slot.inFlight = before.inFlight
                slot.drain = before.drain
                if slot.isOnTrial { slot.trustWaiters = before.trustWaiters } else { waiters = before.trustWaiters }
            }
            state.slots[replica] = slot
            return waiters
        }
        for waiter in trusting { waiter.resume(returning: true) }
        serveWaiters()
    }

    /// Waits until a replica's canary has passed; false when it has not, or the replica is gone.
    nonisolated(nonsending) func trust(in replica: Int, _ generation: UInt64) async -> Bool {
        await withUnsafeContinuation { continuation in
            let known = state.withLock { state -> Bool? in
                guard let slot = state.slots[replica], slot.generation == generation else { return false }
                guard slot.isOnTrial else { return true }
                state.slots[replica]?.trustWaiters.append(continuation)
                return nil
            }
            if let known { continuation.resume(returning: known) }
        }
    }

    /// No new requests go to a replica; those that are there go on.
    func close(_ replica: Int) {
        state.withLock { $0.slots[replica]?.isOpen = false }
    }

    /// A replica's engine is gone.
    func drop(_ replica: Int) {
        let gone = state.withLock { state in state.slots.removeValue(forKey: replica) }
        gone?.drain?.resume()
        for waiter in gone?.trustWaiters ?? [] { waiter.resume(returning: false) }
    }

    /// Waits until nothing is in flight at a replica.
    func drained(_ replica: Int) async {
        await withCheckedContinuation { continuation in
            let isEmpty = state.withLock { state -> Bool in
                guard var slot = state.slots[replica], slot.inFlight > 0, slot.drain == nil else { return true }
                slot.drain = continuation
                state.slots[replica] = slot
                return false
            }
            if isEmpty { continuation.resume() }
        }
    }

    /// Ends the wait for a drain that is no longer wanted.
    func stopDraining(_ replica: Int) {
        state.withLock { state in state.slots[replica]?.drain.take() }?.resume()
    }

    private func serveWaiters() {
        state.withLock { state -> Settled in
            guard !state.order.isEmpty else { return Settled() }
            var served: [(UInt64, Waited)] = []
            for id in state.order {
                guard let waiter = state.waiters[id] else { continue }
                if let result = waiter.result {
                    guard case .progress = result else { continue }
                }
                guard let ticket = take(&state) else { break }
                served.append((id, .ticket(ticket)))
            }
            return settle(served, &state)
        }.carryOut()
    }

    /// Tells all who wait that it will not be.
    func refuseAll(_ refusal: Refusal) {
        let all = state.withLock { state -> [(UInt64, Waited)] in
            state.counts.refused += state.waiters.count
            return state.order.map { ($0, .refused(refusal)) }
        }
        settle(all)
    }

    var isStopped: Bool {
        get { state.withLock { $0.isStopped } }
        set {
            state.withLock { $0.isStopped = newValue }
            if newValue { refuseAll(.stopped) }
        }
    }

    // MARK: Time and numbers

    /// Ends the waits whose deadline is over, and tells the others how it goes.
    func tick(now_ns: UInt64, tellsProgress: Bool) {
        let results = state.withLock { state -> [(UInt64, Waited)] in
            state.order.compactMap { id in
                guard let waiter = state.waiters[id], waiter.result == nil else { return nil }
                if waiter.deadline_ns <= now_ns {
                    state.counts.refused += 1
                    return (id, .refused(.deadline))
                }
                return tellsProgress && waiter.wantsProgress ? (id, .progress(state.outlook)) : nil
            }
        }
        if !results.isEmpty { settle(results) }
    }

    var outlook: Outlook {
        get { state.withLock { $0.outlook } }
        set { state.withLock { $0.outlook = newValue } }
    }

    var counts: Counts { state.withLock { $0.counts } }

    /// Requests that wait.
    var heldCount: Int { state.withLock { $0.waiters.count } }

    func inFlight(_ replica: Int) -> Int { state.withLock { $0.slots[replica]?.inFlight ?? 0 } }

    /// The load now; arrivals are given once.
    func takeLoad() -> Load {
        state.withLock { state in
            defer { state.arrivals_ms.removeAll(keepingCapacity: true) }
            return Load(
                inFlight: state.slots.values.reduce(0) { $0 + $1.inFlight }, held: state.waiters.count,
                arrivals_ms: state.arrivals_ms)
        }
    }
}
