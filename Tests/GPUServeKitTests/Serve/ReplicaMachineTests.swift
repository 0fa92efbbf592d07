import GPUServeKit
import Testing

private typealias Machine = ReplicaMachine

/// Carries actions out on an engine that exists only here, so that what the machine believes can be compared with what is.
private struct World {
    var machine = Machine()
    var ladder: TierLadder
    /// Actions that are under way and have not reported.
    var pending: [Machine.Action] = []
    /// Engines with a process.
    var alive: Set<Machine.EngineID> = []
    /// Engines whose canary passed since they were last launched or restored.
    var trusted: Set<Machine.EngineID> = []
    var isAdmitting = false
    /// Requests are asked whose answers nobody has seen.
    var isOnTrial = false
    var refusals: [ReplicaFailure] = []
    var broken: [String] = []

    mutating func handle(_ event: Machine.Event) {
        let before = machine.state
        let asides = ladder.offered.filter { ladder.isAside($0) }
        let actions = machine.handle(event, &ladder)
        for action in actions { carryOut(action, asides) }
        if machine.isAdmitting != isAdmitting {
            broken.append(
                "\(event) in \(before): state \(machine.state), but requests are \(isAdmitting ? "" : "not ")taken")
        }
        if isOnTrial, machine.state.label != "waking" {
            broken.append("\(event) in \(before): what was asked on trial is neither given away nor dropped")
        }
        if isAdmitting, !trusted.contains(machine.engine) {
            broken.append("\(event) in \(before): an engine answers whose canary did not pass")
        }
        if alive.count > 1 { broken.append("\(event) in \(before): \(alive.count) engines at once") }
    }

    private mutating func carryOut(_ action: Machine.Action, _ asides: [SleepTier]) {
        switch action {
        case .launch(_, let engine):
            alive.insert(engine)
            pending.append(action)
        case .restore(let tier, _, let engine):
            if tier.keepsProcess, !alive.contains(engine) { broken.append("\(tier) wakes an engine that is gone") }
            if tier != .cold, asides.contains(tier) { broken.append("\(tier) was put aside and is used") }
            alive.insert(engine)
            trusted.remove(engine)
            pending.append(action)
        case .layDown(let tier, _):
            if asides.contains(tier) { broken.append("\(tier) was put aside and is slept in") }
            trusted.removeAll()
            pending.append(action)
        case .end:
            alive.removeAll()
            trusted.removeAll()
            isOnTrial = false
            pending.append(action)
        case .checkCanary, .drain, .retry: pending.append(action)
        case .admit:
            isAdmitting = true
            isOnTrial = false
        case .admitOnTrial:
            isOnTrial = true
            if !pending.contains(where: { if case .checkCanary(_, isCold: false) = $0 { true } else { false } }) {
                broken.append("on trial without a canary that could fail")
            }
        case .close: isAdmitting = false
        case .refuse(let failure): refusals.append(failure)
        case .fellBack: break
        }
    }

    /// The report of a pending action.
    mutating func report(_ index: Int, succeeds: Bool) {
        let failure = ReplicaFailure(.wakeRefused, "made to fail")
        switch pending.remove(at: index) {
        case .launch(let step, _), .restore(_, let step, _):
            handle(succeeds ? .engineReady(step) : .engineFailed(step, failure))
        case .checkCanary(let step, _):
            if succeeds { trusted.insert(machine.engine) }
            handle(
                succeeds ? .canaryPassed(step) : .canaryFailed(step, ReplicaFailure(.canaryDiffers, "another answer")))
        case .drain(let step): handle(.drained(step))
        case .layDown(let tier, let step):
            // A late report about a sleep that was given up ends no process of a later engine.
            if succeeds, !tier.keepsProcess, machine.state.label == "falling-asleep" { alive.removeAll() }
            handle(succeeds ? .fellAsleep(step) : .sleepFailed(step, failure))
        case .end(let step): handle(.ended(step))
        case .retry(let step, _): handle(.retryDue(step))
        case .admit, .admitOnTrial, .close, .refuse, .fellBack: break
        }
    }

    mutating func exits() {
        guard let engine = alive.first else { return }
        alive.remove(engine)
        trusted.remove(engine)
        // Until the machine has heard of it the program cannot know.
        isAdmitting = isAdmitting && machine.engine != engine
        var copy = self
        copy.isAdmitting = machine.isAdmitting
        self = copy
        handle(.engineExited(engine, ReplicaFailure(.exited, "killed by signal 9")))
    }

    /// Everything that is asked for from now on works at once.
    mutating func settle() {
        for _ in 0..<200 where !pending.isEmpty { report(0, succeeds: true) }
    }
}

@Suite struct ReplicaMachineTests {
    @Test func startsSleepsAndWakesInTheFastestTier() {
        var world = World(ladder: TierLadder([.suspended, .inPlace]))
        world.handle(.wanted)
        #expect(world.machine.state == .starting(.engine))
        world.report(0, succeeds: true)
        #expect(world.machine.state == .starting(.canary))
        world.report(0, succeeds: true)
        #expect(world.machine.state == .ready)
        world.handle(.mayRest(atLeast: .inPlace))
        world.settle()
        #expect(world.machine.state == .asleep(.inPlace))
        world.handle(.wanted)
        #expect(world.machine.state == .waking(.inPlace, .engine))
        world.settle()
        #expect(world.machine.state == .ready)
        #expect(world.broken == [])
    }

    @Test func aWrongCanaryFallsBackOneTierAndNobodyIsAnsweredByIt() throws {
        var world = World(ladder: TierLadder([.suspended, .kitSnapshot]))
        world.ladder.imageMade(.kitSnapshot)
        world.handle(.wanted)
        world.settle()
        for expected in [SleepTier.suspended, .suspended, .kitSnapshot, .kitSnapshot, .cold] {
            world.handle(.mayRest(atLeast: .inPlace))
            world.settle()
            #expect(world.machine.state == .asleep(expected))
            guard expected != .cold else { break }
            world.handle(.wanted)
            world.report(0, succeeds: true)
            #expect(world.machine.state == .waking(expected, .canary))
            world.report(0, succeeds: false)
            #expect(!world.isAdmitting)
            world.settle()
            #expect(world.machine.state == .ready)
            #expect(world.ladder.lastFailures[expected]?.code == .canaryDiffers)
            // The image that gave a wrong answer is not used again; a new one is made at the next sleep.
            if expected == .suspended { world.ladder.imageMade(.kitSnapshot) }
        }
        #expect(world.ladder.isAside(.suspended))
        #expect(world.ladder.isAside(.kitSnapshot))
        #expect(world.broken == [])
    }

    @Test func aSecondFailureInARowIsToldToThoseWhoWaitAndTriedAgainLater() {
        var world = World(ladder: TierLadder([]))
        world.handle(.wanted)
        world.report(0, succeeds: false)
        #expect(world.machine.state == .starting(.engine))
        #expect(world.refusals == [])
        let launch = world.pending.firstIndex { if case .launch = $0 { true } else { false } }
        world.report(launch!, succeeds: false)
        #expect(world.refusals.count == 1)
        guard case .failed(_, canRetry: true) = world.machine.state else {
            Issue.record("\(world.machine.state)")
            return
        }
        world.settle()
        #expect(world.machine.state == .ready)
        #expect(world.broken == [])
    }

    @Test func whatIsMissingIsNotTriedAgainUntilSomebodyAsks() {
        var machine = Machine()
        var ladder = TierLadder([])
        guard case .launch(let step, _)? = machine.handle(.wanted, &ladder).first else {
            Issue.record("nothing was launched")
            return
        }
        let failure = ReplicaFailure(.modelMissing, "no such file")
        let actions = machine.handle(.engineFailed(step, failure), &ladder)
        #expect(machine.state == .failed(failure, canRetry: false))
        #expect(actions.contains(.refuse(failure)))
        #expect(!actions.contains { if case .retry = $0 { true } else { false } })
        #expect(machine.handle(.wanted, &ladder).count == 1)
        #expect(machine.state == .starting(.engine))
    }

    @Test func anEngineThatDiesIsReplacedAtOnceAndThenWithPauses() {
        var world = World(ladder: TierLadder([.suspended]))
        world.handle(.wanted)
        world.settle()
        world.exits()
        #expect(world.machine.state == .waking(.cold, .engine))
        world.settle()
        #expect(world.machine.state == .ready)
        world.exits()
        guard case .failed(let failure, canRetry: true) = world.machine.state else {
            Issue.record("\(world.machine.state)")
            return
        }
        #expect(failure.code == .exited)
        world.settle()
        world.handle(.proven)
        world.exits()
        #expect(world.machine.state == .waking(.cold, .engine))
        #expect(world.broken == [])
    }

    @Test func pausesDoubleUpToAMinute() {
        let pauses = (2...12).map { count in
            var machine = Machine()
            var ladder = TierLadder([])
            var pause = 0
            var pending = machine.handle(.wanted, &ladder)
            for _ in 0..<count {
                var next: [Machine.Action] = []
                for action in pending {
                    switch action {
                    case .launch(let step, _):
                        next += machine.handle(.engineFailed(step, ReplicaFailure(.exitedEarly, "status 1")), &ladder)
                    case .retry(let step, let after_ms):
                        pause = after_ms
                        next += machine.handle(.retryDue(step), &ladder)
                    default: break
                    }
                }
                if next.contains(where: { if case .retry = $0 { true } else { false } }) {
                    for case .retry(let step, let after_ms) in next {
                        pause = after_ms
                        next = machine.handle(.retryDue(step), &ladder)
                    }
                }
                pending = next
            }
            return pause
        }
        #expect(pauses == pauses.sorted())
        #expect(pauses.first == 500)
        #expect(pauses.last == 60_000)
    }

    @Test func aRequestDuringASleepThatHasBegunWakesItAtOnce() {
        var world = World(ladder: TierLadder([.suspended]))
        world.handle(.wanted)
        world.settle()
        world.handle(.mayRest(atLeast: .inPlace))
        world.report(0, succeeds: true)
        #expect(world.machine.state.label == "falling-asleep" && world.machine.state.tier == .suspended)
        world.handle(.wanted)
        world.settle()
        #expect(world.machine.state == .ready)
        #expect(world.broken == [])
    }

    @Test func sleepingDeeperEndsWhatIsAlive() {
        var world = World(ladder: TierLadder([.suspended]))
        world.handle(.wanted)
        world.settle()
        world.handle(.mayRest(atLeast: .inPlace))
        world.settle()
        world.handle(.mayRest(atLeast: .cold))
        #expect(world.machine.state == .asleep(.cold))
        #expect(world.alive == [])
    }

    @Test func sleepingDeeperMakesTheImageFirst() {
        var world = World(ladder: TierLadder([.suspended, .processSnapshot]))
        world.handle(.wanted)
        world.settle()
        world.handle(.mayRest(atLeast: .inPlace))
        world.settle()
        #expect(world.machine.state == .asleep(.suspended))
        world.handle(.mayRest(atLeast: .processSnapshot))
        #expect(world.machine.state == .leaving(.sleep(.processSnapshot)))
        world.settle()
        #expect(world.machine.state == .asleep(.processSnapshot) && world.alive == [])
        world.handle(.wanted)
        world.settle()
        world.handle(.mayRest(atLeast: .inPlace))
        world.settle()
        // There is one already.
        world.handle(.mayRest(atLeast: .processSnapshot))
        #expect(world.machine.state == .asleep(.processSnapshot) && world.alive == [])
        world.handle(.mayRest(atLeast: .cold))
        #expect(world.machine.state == .asleep(.cold))
        #expect(world.broken == [])
    }

    @Test func anAdoptedEngineIsCheckedBeforeItAnswers() {
        var world = World(machine: Machine(adopting: .suspended), ladder: TierLadder([.suspended]))
        world.alive = [world.machine.engine]
        world.handle(.wanted)
        #expect(world.machine.state == .waking(.suspended, .engine))
        world.settle()
        #expect(world.machine.state == .ready)
        #expect(world.broken == [])
    }

    /// Whatever happens in whatever order, reports that come late or never included.
    @Test(arguments: 0..<40)
    func theRulesHoldInAnyOrderOfEvents(seed: Int) {
        var random = Numbers(state: UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 &+ 1)
        let tiers = SleepTier.allCases.filter { _ in Bool.random(using: &random) }
        var world = World(ladder: TierLadder(tiers))
        for _ in 0..<400 {
            switch Int.random(in: 0..<20, using: &random) {
            case 0...2: world.handle(.wanted)
            case 3...4: world.handle(.mayRest(atLeast: SleepTier.allCases.randomElement(using: &random)!))
            case 5: world.handle(.stop)
            case 6...7: world.exits()
            case 8: world.handle(.proven)
            default:
                guard !world.pending.isEmpty else { continue }
                let index = Int.random(in: 0..<world.pending.count, using: &random)
                world.report(index, succeeds: Int.random(in: 0..<5, using: &random) > 0)
            }
            #expect(world.broken == [], "seed \(seed)")
            guard world.broken == [] else { return }
        }
        // Nothing ever leaves it stuck: asked for, and with nothing failing any more, it answers.
        world.handle(.wanted)
        world.settle()
        world.handle(.wanted)
        world.settle()
        #expect(world.machine.state == .ready, "seed \(seed)")
        world.handle(.stop)
        world.settle()
        #expect(world.machine.state == .absent, "seed \(seed)")
        #expect(world.alive == [], "seed \(seed)")
    }
}

/// SplitMix64.
private struct Numbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
