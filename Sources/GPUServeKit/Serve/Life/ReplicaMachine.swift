/// The life of one replica as a pure state machine: events in, actions out.
///
/// absent > starting > ready > draining > asleep(tier) > waking > ready ..., with failed beside it. The rules that it keeps
/// whatever the order of events:
///
/// - Answers are given away in `ready` and nowhere else, and `ready` is reached only through a canary that passed in the life
///   of the engine that answers (or by changing one's mind about a sleep that had not begun). While a canary runs after a
///   wake, requests may be asked on trial: what comes of them is held back until it has passed.
/// - A wake that fails falls back one tier, with a named reason, down to a cold start; a tier that failed twice is put aside.
/// - Every engine that failed anything is ended before another is started.
///
/// Actions are carried out in order. Those that take time report back with the `step` they were given, so that a report that
/// comes late, about something long given up, is known as such and ignored.
public struct ReplicaMachine: Sendable, Hashable {
    /// Names one action that takes time.
    public struct StepID: Sendable, Hashable { var number: UInt64 }
    /// Names one engine: a process and what it was restored from.
    public struct EngineID: Sendable, Hashable { var number: UInt64 }

    /// What happened.
    public enum Event: Sendable, Hashable {
        /// A ready replica is wanted.
        case wanted
        /// None is wanted any more: it may sleep, at least so deep.
        case mayRest(atLeast: SleepTier)
        /// It is to end.
        case stop
        /// The engine that was launched or restored is ready.
        case engineReady(StepID)
        /// The engine could not be launched or restored.
        case engineFailed(StepID, ReplicaFailure)
        /// The canary was answered as recorded, or recorded.
        case canaryPassed(StepID)
        /// The canary was answered otherwise or not at all.
        case canaryFailed(StepID, ReplicaFailure)
        /// No request is in flight any more, or waiting for them is over.
        case drained(StepID)
        /// The engine sleeps.
        case fellAsleep(StepID)
        /// The engine could not be put to sleep; what state it is in is not known.
        case sleepFailed(StepID, ReplicaFailure)
        /// The engine was ended.
        case ended(StepID)
        /// The pause before a new attempt is over.
        case retryDue(StepID)
        /// An engine's process ended by itself.
        case engineExited(EngineID, ReplicaFailure)
        /// A request was answered well: earlier failures count no more.
        case proven
    }

    /// What is to be done.
    public enum Action: Sendable, Hashable {
        /// Start the engine from nothing.
        case launch(StepID, EngineID)
        /// Bring the engine back from a tier.
        case restore(SleepTier, StepID, EngineID)
        /// Ask the canary. A cold engine's answer becomes the record, others are compared with it.
        case checkCanary(StepID, isCold: Bool)
        /// Say `drained` when nothing is in flight.
        case drain(StepID)
        /// Put the engine to sleep.
        case layDown(SleepTier, StepID)
        /// End the engine's process, if there is one, before anything else is done.
        case end(StepID)
        /// Take requests.
        case admit
        /// Take requests, and hold their answers back until `admit` or `end`.
        case admitOnTrial
        /// Take no more.
        case close
        /// Say `retryDue` after so long.
        case retry(StepID, after_ms: Int)
        /// Give those who wait this reason.
        case refuse(ReplicaFailure)
        /// For the log: a tier failed, and what is done instead.
        case fellBack(from: SleepTier, to: SleepTier, ReplicaFailure, isAside: Bool)
    }

    /// Where it is.
    public private(set) var state = ReplicaState.absent
    /// Whether a ready replica is wanted.
    public private(set) var isWanted = false
    /// The engine that is there, or was last.
    public private(set) var engine = EngineID(number: 0)
    /// Failures since an engine last proved itself.
    public private(set) var failureCount = 0
    private var step = StepID(number: 0)

    /// A replica without an engine.
    public init() {}

    /// A replica whose engine outlived the program that started it. It is brought back like one that slept in `tier`, canary
    /// included, so that nothing is taken on trust; one that was awake counts as `suspended`, from which it wakes at once.
    public init(adopting tier: SleepTier) {
        precondition(tier.keepsProcess, "only a living engine can be adopted")
        state = .asleep(tier)
        engine.number = 1
    }

    /// A replica of which an earlier run of the program left an image.
    public init(asleepWithout tier: SleepTier) {
        precondition(!tier.keepsProcess, "an engine that lives is adopted")
        state = .asleep(tier)
    }

    /// Requests may go to the engine.
    public var isAdmitting: Bool { state == .ready }

    /// Takes an event; returns what to do about it, in order.
    public mutating func handle(_ event: Event, _ ladder: inout TierLadder) -> [Action] {
        switch event {
        case .wanted: return wanted(ladder)
        case .mayRest(let least): return mayRest(least, ladder)
        case .stop: return stop()
        case .engineReady(let id): return id == step ? engineReady() : []
        case .engineFailed(let id, let failure), .canaryFailed(let id, let failure):
            return id == step ? wakeFailed(failure, &ladder) : []
        case .canaryPassed(let id): return id == step ? canaryPassed() : []
        case .drained(let id): return id == step ? drained() : []
        case .fellAsleep(let id): return id == step ? fellAsleep(&ladder) : []
        case .sleepFailed(let id, let failure): return id == step ? sleepFailed(failure, &ladder) : []
        case .ended(let id): return id == step ? ended() : []
        case .retryDue(let id): return id == step ? retryDue() : []
        case .engineExited(let id, let failure): return id == engine ? engineExited(failure, &ladder) : []
        case .proven:
            if state == .ready { failureCount = 0 }
            return []
        }
    }

    // MARK: Wishes

    private mutating func wanted(_ ladder: TierLadder) -> [Action] {
        isWanted = true
        switch state {
        case .absent: return launch()
        case .asleep(let tier): return wake(tier, ladder)
        case .draining(.sleep):
            state = .ready
            step.number += 1
            return [.admit]
        case .failed(let failure, canRetry: false):
            // Somebody asks again: perhaps what was missing is there now.
            return failure.isPermanent ? launch() : []
        case .starting, .ready, .draining(.stop), .leaving, .waking, .failed: return []
        }
    }

    private mutating func mayRest(_ least: SleepTier, _ ladder: TierLadder) -> [Action] {
        isWanted = false
        switch state {
        case .ready:
            state = .draining(.sleep(ladder.tier(atLeast: least)))
            return [.close, .drain(nextStep())]
        case .asleep(let tier) where tier < least:
            let next = ladder.tier(atLeast: least)
            if tier.keepsProcess, next != .cold, next.keepsProcess || !ladder.images.contains(next) {
                // There is a process to freeze, or to make the image of.
                state = .leaving(.sleep(next))
                return [.layDown(next, nextStep())]
            }
            // Deeper: what is alive is ended, images stay.
            state = .asleep(ladder.images.contains(next) ? next : .cold)
            engine.number += 1
            return tier.keepsProcess ? [.end(nextStep())] : []
        default: return []
        }
    }

    private mutating func stop() -> [Action] {
        isWanted = false
        switch state {
        case .absent, .leaving(.stop), .draining(.stop): return []
        case .failed:
            state = .absent
            step.number += 1
            return []
        case .ready:
            state = .draining(.stop)
            return [.close, .drain(nextStep())]
        case .draining(.sleep):
            state = .draining(.stop)
            return [.drain(nextStep())]
        case .starting, .waking:
            state = .leaving(.stop)
            return [.refuse(ReplicaFailure(.stopped, "the deployment was stopped while it started")), .end(nextStep())]
        case .leaving(.sleep), .asleep:
            state = .leaving(.stop)
            return [.end(nextStep())]
        }
    }

    // MARK: Starting and waking

    private mutating func launch() -> [Action] {
        state = .starting(.engine)
        engine.number += 1
        return [.launch(nextStep(), engine)]
    }

    private mutating func wake(_ tier: SleepTier, _ ladder: TierLadder) -> [Action] {
        state = .waking(tier, .engine)
        if !tier.keepsProcess { engine.number += 1 }
        return [.restore(tier, nextStep(), engine)]
    }

    private mutating func engineReady() -> [Action] {
        switch state {
        case .starting(.engine):
            state = .starting(.canary)
            return [.checkCanary(nextStep(), isCold: true)]
        case .waking(let tier, .engine):
            state = .waking(tier, .canary)
            // A cold engine's canary makes the record instead of being held against it.
            let check = Action.checkCanary(nextStep(), isCold: tier == .cold)
            return tier == .cold ? [check] : [check, .admitOnTrial]
        default: return []
        }
    }

    private mutating func canaryPassed() -> [Action] {
        switch state {
        case .starting(.canary), .waking(_, .canary):
            state = .ready
            step.number += 1
            return [.admit]
        default: return []
        }
    }

    private mutating func wakeFailed(_ failure: ReplicaFailure, _ ladder: inout TierLadder) -> [Action] {
        switch state {
        case .starting, .waking(.cold, _): return giveUp(failure)
        case .waking(let tier, _):
            let isAside = ladder.failed(tier, failure)
            let next = ladder.fallback(below: tier)
            return [.fellBack(from: tier, to: next, failure, isAside: isAside), .end(nextStep())] + wake(next, ladder)
        default: return []
        }
    }

    /// No way is left. Once, another start is made at once, because what killed the engine may be over; after that those who
    /// wait are told, and there is a pause that doubles.
    private mutating func giveUp(_ failure: ReplicaFailure) -> [Action] {
        failureCount += 1
        engine.number += 1
        if failureCount == 1, isWanted, !failure.isPermanent {
            let end = Action.end(nextStep())
            return [end] + launch()
        }
        state = .failed(failure, canRetry: !failure.isPermanent)
        let actions: [Action] = [.refuse(failure), .end(nextStep())]
        guard !failure.isPermanent else { return actions }
        return actions + [.retry(nextStep(), after_ms: Self.pause_ms(afterFailures: failureCount))]
    }

    /// Half a second after the second failure, doubling up to a minute.
    static func pause_ms(afterFailures count: Int) -> Int { min(60_000, 500 << min(max(count - 2, 0), 10)) }

    private mutating func retryDue() -> [Action] {
        guard case .failed(_, canRetry: true) = state else { return [] }
        state = .absent
        return isWanted ? launch() : []
    }

    // MARK: Leaving

    private mutating func drained() -> [Action] {
        guard case .draining(let goal) = state else { return [] }
        state = .leaving(goal)
        switch goal {
        case .sleep(let tier): return [.layDown(tier, nextStep())]
        case .stop: return [.end(nextStep())]
        }
    }

    private mutating func fellAsleep(_ ladder: inout TierLadder) -> [Action] {
        guard case .leaving(.sleep(let tier)) = state else { return [] }
        state = .asleep(tier)
        step.number += 1
        if !tier.keepsProcess { engine.number += 1 }
        ladder.imageMade(tier)
        return isWanted ? wake(tier, ladder) : []
    }

    private mutating func sleepFailed(_ failure: ReplicaFailure, _ ladder: inout TierLadder) -> [Action] {
        guard case .leaving(.sleep(let tier)) = state else { return [] }
        let isAside = ladder.failed(tier, failure)
        let next = ladder.fallback(below: tier)
        state = .asleep(next)
        engine.number += 1
        let actions: [Action] = [.fellBack(from: tier, to: next, failure, isAside: isAside), .end(nextStep())]
        return isWanted ? actions + wake(next, ladder) : actions
    }

    private mutating func ended() -> [Action] {
        guard case .leaving(.stop) = state else { return [] }
        state = .absent
        engine.number += 1
        return isWanted ? launch() : []
    }

    private mutating func engineExited(_ failure: ReplicaFailure, _ ladder: inout TierLadder) -> [Action] {
        switch state {
        case .absent, .failed: return []
        case .starting: return giveUp(failure)
        case .waking(let tier, _): return tier == .cold ? giveUp(failure) : wakeFailed(failure, &ladder)
        case .ready, .draining(.sleep):
            // Its requests are asked again by whoever sent them; a new engine is started as after any failure.
            failureCount += 1
            engine.number += 1
            let image = ladder.fallback(below: .suspended)
            let isPlanned = state != .ready
            state = .asleep(image)
            let actions: [Action] = [.close, .end(nextStep())]
            if isPlanned && !isWanted { return actions }
            guard failureCount > 1 else { return actions + wake(image, ladder) }
            state = .failed(failure, canRetry: true)
            return actions + [
                .refuse(failure), .retry(nextStep(), after_ms: Self.pause_ms(afterFailures: failureCount)),
            ]
        case .draining(.stop):
            state = .leaving(.stop)
            return [.end(nextStep())]
        case .leaving(.stop): return []
        case .leaving(.sleep(let tier)):
            // Tiers without a process end it themselves, or it died of being put to sleep: their report decides.
            return tier.keepsProcess ? sleepFailed(failure, &ladder) : []
        case .asleep(let tier):
            guard tier.keepsProcess else { return [] }
            let next = ladder.fallback(below: tier)
            let isAside = ladder.failed(tier, failure)
            state = .asleep(next)
            engine.number += 1
            return [.fellBack(from: tier, to: next, failure, isAside: isAside), .end(nextStep())]
        }
    }

    private mutating func nextStep() -> StepID {
        step.number += 1
        return step
    }
}
