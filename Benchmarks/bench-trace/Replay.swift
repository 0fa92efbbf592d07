import GPUServeKit

/// How deployments decide.
struct Policy {
    var name: String
    var settings: ScaleSettings
    /// Whether what goes is what is least worth its bytes; else what was used longest ago.
    var weighsWorth: Bool
}

/// What waking and sleeping take.
struct WakeCosts {
    var wake_ms: Int
    /// How long a place is still held by what leaves it.
    var sleep_ms: Int
}

/// What became of a trace.
struct Outcome {
    var waits_ms: [Double] = []
    var hitCount = 0
    var wakeCount = 0
    var evictionCount = 0
    /// Of those that made room, how many were asked again before they had been gone for as long as whatever comes stays.
    var regretCount = 0
    /// Seconds that devices held a deployment, all together.
    var held_s = 0.0
    /// Most that was held at once, in places.
    var mostHeld = 0

    var meanWait_ms: Double { waits_ms.reduce(0, +) / Double(max(1, waits_ms.count)) }
    var hitRate: Double { Double(hitCount) / Double(max(1, waits_ms.count)) }
}

/// Plays a trace through the scheduler that the daemon has, with engines that exist only here: in virtual time, so that an hour
/// takes a second. Each deployment has one replica, and a place of the budget is what one takes.
struct Replay {
    private enum Phase {
        case asleep
        case waking
        case ready
        case leaving
    }

    private struct Deployment {
        var phase = Phase.asleep
        var scaler: Autoscaler
        var inFlight = 0
        var held: [Trace.Request] = []
        var since_ms = 0
        var isPushedOut = false
        var heldSince_ms: Int?
        var gaveWay_ms: Int?
        var isGuess = false
    }

    private enum Event {
        case arrival(Trace.Request)
        case served(Int)
        case awake(Int)
        case asleep(Int)
        case pulse
    }

    private let trace: Trace
    private let policy: Policy
    private let costs: WakeCosts
    private var plan: MemoryPlan
    private var all: [Deployment]
    private var queue = TimeQueue<Event>()
    private var now_ms = 0
    private var outcome = Outcome()
    private static let pulse_ms = 100
    private static let longestWait_ms = 60_000

    static func run(_ trace: Trace, _ policy: Policy, _ costs: WakeCosts, placeCount: Int) -> Outcome {
        var replay = Replay(trace, policy, costs, placeCount)
        return replay.run()
    }

    private init(_ trace: Trace, _ policy: Policy, _ costs: WakeCosts, _ placeCount: Int) {
        self.trace = trace
        self.policy = policy
        self.costs = costs
        plan = MemoryPlan(capacity: MemorySize(hostBytes: 1, gpuBytes: placeCount))
        all = (0..<Trace.deploymentCount).map { _ in Deployment(scaler: Autoscaler(policy.settings)) }
    }

    private mutating func run() -> Outcome {
        for request in trace.requests { queue.add(.arrival(request), at: request.arrived_ms) }
        // Beyond the end, for those who still wait then.
        let end_ms = trace.length_ms + Self.longestWait_ms
        for time in stride(from: 0, to: end_ms, by: Self.pulse_ms) { queue.add(.pulse, at: time) }
        while let (time_ms, event) = queue.next() {
            now_ms = time_ms
            switch event {
            case .arrival(let request): arrived(request)
            case .served(let index):
                all[index].inFlight -= 1
                evaluate(index)
            case .awake(let index): woke(index)
            case .asleep(let index):
                all[index].phase = .asleep
                hold(index)
                for key in plan.waiting { evaluate(key.replica) }
                evaluate(index)
            case .pulse: for index in all.indices { evaluate(index) }
            }
        }
        precondition(outcome.waits_ms.count == trace.requests.count, "every request is answered")
        for index in all.indices { stopHolding(index, at: trace.length_ms) }
        return outcome
    }

    // MARK: Events

    private mutating func arrived(_ request: Trace.Request) {
        let index = request.deployment
        all[index].scaler.requestArrived(at: now_ms)
        if all[index].phase == .ready {
            outcome.hitCount += 1
            serve(request)
        } else {
            if let gone_ms = all[index].gaveWay_ms, now_ms - gone_ms < plan.minimumStay_ms { outcome.regretCount += 1 }
            all[index].gaveWay_ms = nil
            all[index].held.append(request)
            evaluate(index)
        }
    }

    private mutating func serve(_ request: Trace.Request) {
        outcome.waits_ms.append(Double(now_ms - request.arrived_ms))
        all[request.deployment].inFlight += 1
        all[request.deployment].isGuess = false
        queue.add(.served(request.deployment), at: now_ms + request.service_ms)
    }

    private mutating func woke(_ index: Int) {
        all[index].phase = .ready
        all[index].since_ms = now_ms
        let held = all[index].held
        all[index].held = []
        for request in held { serve(request) }
        evaluate(index)
    }

    // MARK: Decisions, as the daemon's deployments make them

    private mutating func evaluate(_ index: Int) {
        let key = MemoryPlan.Key("d", index)
        if !all[index].held.isEmpty { all[index].isPushedOut = false }
        let wish = all[index].scaler.wish(
            inFlight: all[index].inFlight, held: all[index].held.count, wake_ms: costs.wake_ms,
            isPushedOut: all[index].isPushedOut, at: now_ms)
        var isWaiting = false
        switch all[index].phase {
        case .asleep where wish.count > 0:
            let size = MemorySize(gpuBytes: 1)
            let (answer, evictions) = plan.ask(key, size, isUrgent: wish.urgentCount > 0, at: now_ms)
            for eviction in evictions { giveWay(eviction.key.replica) }
            if answer == .granted {
                all[index].phase = .waking
                all[index].isGuess = wish.urgentCount == 0
                all[index].heldSince_ms = now_ms
                outcome.mostHeld = max(outcome.mostHeld, plan.held.gpuBytes)
                outcome.wakeCount += 1
                queue.add(.awake(index), at: now_ms + costs.wake_ms)
            } else {
                isWaiting = wish.urgentCount > 0
            }
        case .ready where wish.count == 0 && all[index].inFlight == 0: leave(index)
        default: break
        }
        if !isWaiting { plan.withdraw(key) }
        hold(index)
    }

    private mutating func giveWay(_ index: Int) {
        guard all[index].phase == .ready, all[index].inFlight == 0 else {
            return plan.stays(MemoryPlan.Key("d", index))
        }
        outcome.evictionCount += 1
        all[index].gaveWay_ms = now_ms
        all[index].isPushedOut = true
        leave(index)
        hold(index)
    }

    private mutating func leave(_ index: Int) {
        all[index].phase = .leaving
        queue.add(.asleep(index), at: now_ms + costs.sleep_ms)
    }

    private mutating func hold(_ index: Int) {
        let one = all[index]
        var held = MemoryPlan.Holding(size: MemorySize(gpuBytes: one.phase == .asleep ? 0 : 1), isBusy: true)
        if one.phase == .asleep { stopHolding(index, at: now_ms) }
        if one.phase == .ready {
            held.isBusy = one.inFlight > 0
            held.came_ms = one.isGuess ? nil : one.since_ms
        }
        let forecast = one.scaler.forecast
        held.wake_ms = costs.wake_ms
        held.lastUse_ms = now_ms - (forecast.idle_ms(at: now_ms) ?? 0)
        if policy.weighsWorth { held.demand = forecast.probability(at: now_ms, within: MemoryBudget.horizon_ms) }
        plan.hold(MemoryPlan.Key("d", index), held)
    }

    private mutating func stopHolding(_ index: Int, at time_ms: Int) {
        guard let since_ms = all[index].heldSince_ms else { return }
        outcome.held_s += Double(max(0, min(time_ms, trace.length_ms) - since_ms)) / 1000
        all[index].heldSince_ms = nil
    }
}

/// Events by their time, those of one time in the order in which they were added.
struct TimeQueue<Element> {
    private var heap: [(time_ms: Int, number: Int, element: Element)] = []
    private var count = 0

    mutating func add(_ element: Element, at time_ms: Int) {
        heap.append((time_ms, count, element))
        count += 1
        var child = heap.count - 1
        while child > 0, isBefore(child, (child - 1) / 2) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func next() -> (time_ms: Int, element: Element)? {
        guard let first = heap.first else { return nil }
        heap[0] = heap[heap.count - 1]
        heap.removeLast()
        var parent = 0
        while let least = [2 * parent + 1, 2 * parent + 2].filter({ $0 < heap.count }).min(by: { isBefore($0, $1) }),
            isBefore(least, parent)
        {
            heap.swapAt(least, parent)
            parent = least
        }
        return (first.time_ms, first.element)
    }

    private func isBefore(_ left: Int, _ right: Int) -> Bool {
        (heap[left].time_ms, heap[left].number) < (heap[right].time_ms, heap[right].number)
    }
}
