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
        /// Its own deadline came first, while the deployment waited for what the text says, if it did.
        case deadline(waitingFor: String?)
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
        /// What it has to wait for before it can begin.
        var obstacle: String?

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

    private struct State {
        var slots: [Int: Slot] = [:]
        var held: HeldRequests
        var outlook = Outlook()
        var isStopped = false
        var arrivals_ms: [Int] = []
        /// Requests that were refused because they could not wait, since somebody last looked.
        var missedCount = 0
        var alarm = HeldAlarm()
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
        /// Those that wait, and those that would not: a replica that comes up is there for the next ones.
        var held = 0
        var arrivals_ms: [Int] = []
    }

    private let state: Lock<State>
    private let limits: Limits
    private let clock: HeldClock
    /// Called, on any thread and outside of the lock, when somebody begins to wait.
    private let demanded: @Sendable () -> Void
    /// Called when an engine gave nothing.
    private let suspected: @Sendable (_ replica: Int) -> Void
    /// Called when an engine answered.
    private let proven: @Sendable (_ replica: Int) -> Void

    init(
        limits: Limits, clock: HeldClock = .system, demanded: @escaping @Sendable () -> Void,
        suspected: @escaping @Sendable (Int) -> Void,
        proven: @escaping @Sendable (Int) -> Void
    ) {
        self.limits = limits
        self.clock = clock
        state = Lock(State(held: HeldRequests(limits)))
        self.demanded = demanded
        self.suspected = suspected
        self.proven = proven
    }

    // MARK: Requests

    /// Takes a request in, or again after an engine gave nothing.
    func enter(bytes: Int, deadline_ns: UInt64, wantsProgress: Bool, isAgain: Bool) -> Entry {
        let now_ns = clock.now_ns()
        let (entry, mustTell, moment_ns) = state.withLock { state -> (Entry, Bool, UInt64?) in
            if !isAgain {
                state.counts.requests += 1
                if state.arrivals_ms.count < 4096 { state.arrivals_ms.append(Int(now_ns / 1_000_000)) }
            }
            if state.isStopped { return (refuse(&state, .stopped), false, nil) }
            if let ticket = take(&state) { return (.ticket(ticket), false, nil) }
            guard deadline_ns > now_ns else {
                state.missedCount += 1
                return (refuse(&state, .deadline(waitingFor: state.outlook.obstacle)), true, nil)
            }
            guard let id = state.held.add(bytes: bytes, deadline_ns: deadline_ns, wantsProgress: wantsProgress) else {
                return (refuse(&state, .full), false, nil)
            }
            return (.held(id), true, state.alarm.arm(for: deadline_ns))
        }
        wait(until: moment_ns)
        if mustTell { demanded() }
        return entry
    }

    /// Sees to it that deadlines are looked at then.
    private func wait(until moment_ns: UInt64?) {
        guard let moment_ns else { return }
        clock.call(moment_ns) { [weak self] in
            guard let self else { return }
            tick(now_ns: clock.now_ns(), tellsProgress: false)
        }
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
                let ready = state.withLock { $0.held.wait(id, continuation) }
                if let ready { continuation.resume(returning: ready) }
            }
        } onCancel: {
            settle([(id, .cancelled)])
        }
    }

    /// Ends waits, or tells those who wait how it goes.
    private func settle(_ results: [(UInt64, Waited)]) {
        state.withLock { $0.held.settle(results) }.carryOut()
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
    /// - Parameters:
    ///   - inFlightLimit: most requests that it is asked at once; more wait.
    ///   - isOnTrial: whether its canary has not passed yet; the requests are asked beside that.
    func open(
        _ replica: Int, generation: UInt64, url: String, tier: SleepTier, atMost inFlightLimit: Int,
        isOnTrial: Bool = false
    ) {
        let trusting = state.withLock { state -> [UnsafeContinuation<Bool, Never>] in
            var slot = Slot(
                url: url, generation: generation, tier: tier, inFlightLimit: inFlightLimit, isOnTrial: isOnTrial)
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
        state.withLock { state -> HeldRequests.Settled in
            guard !state.held.isEmpty else { return HeldRequests.Settled() }
            var served: [(UInt64, Waited)] = []
            for id in state.held.order where state.held.isUnanswered(id) {
                guard let ticket = take(&state) else { break }
                served.append((id, .ticket(ticket)))
            }
            return state.held.settle(served)
        }.carryOut()
    }

    /// Tells all who wait that it will not be.
    func refuseAll(_ refusal: Refusal) {
        let all = state.withLock { state -> [(UInt64, Waited)] in
            state.counts.refused += state.held.count
            return state.held.order.map { ($0, .refused(refusal)) }
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
        let (results, moment_ns) = state.withLock { state -> ([(UInt64, Waited)], UInt64?) in
            let results = state.held.due(at: now_ns, state.outlook, tellsProgress: tellsProgress)
            let lateCount = results.count { if case .refused = $0.1 { true } else { false } }
            state.counts.refused += lateCount
            state.missedCount += lateCount
            state.alarm.passed(now_ns)
            return (results, state.alarm.arm(for: state.held.earliestDeadline_ns(after: now_ns)))
        }
        wait(until: moment_ns)
        if !results.isEmpty { settle(results) }
    }

    var outlook: Outlook {
        get { state.withLock { $0.outlook } }
        set { state.withLock { $0.outlook = newValue } }
    }

    var counts: Counts { state.withLock { $0.counts } }

    /// Requests that wait.
    var heldCount: Int { state.withLock { $0.held.count } }

    func inFlight(_ replica: Int) -> Int { state.withLock { $0.slots[replica]?.inFlight ?? 0 } }

    /// The load now; arrivals are given once.
    func takeLoad() -> Load {
        state.withLock { state in
            defer {
                state.arrivals_ms.removeAll(keepingCapacity: true)
                state.missedCount = 0
            }
            return Load(
                inFlight: state.slots.values.reduce(0) { $0 + $1.inFlight },
                held: state.held.count + state.missedCount, arrivals_ms: state.arrivals_ms)
        }
    }
}
