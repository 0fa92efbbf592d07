internal import Transport
internal import Wire

/// One deployment: its replicas, how many there should be, and how they get where they should be. What requests need is in
/// `front`, which no request waits for an actor to reach.
public actor Deployment {
    /// What all deployments of a runtime share.
    struct Surroundings: Sendable {
        let directory: StateDirectory
        let host: EngineHost
        let transport: any UpstreamTransport
        let limits: Limits
        let meter: Meter
        /// Differs from one run of the daemon to the next.
        let run: String
        let log: @Sendable (String) -> Void
    }

    /// Its name.
    public nonisolated let name: String
    nonisolated let front: DeploymentFront
    nonisolated let recipe: EngineRecipe
    /// What the engine is asked for as `model`.
    nonisolated let servedModel: String
    nonisolated let surroundings: Surroundings
    /// What makes images of processes; nil where there is no such thing.
    nonisolated let imager: ProcessImager?

    var spec: DeploymentSpec
    var ladder: TierLadder
    var memory: DeploymentMemory
    var replicas: [Int: Replica] = [:]
    private var autoscaler: Autoscaler
    private var awakeUntil_ms = 0
    private var isHeldDown = false
    private var notes: [String] = []
    private var wakes: [Waterfall] = []
    private var writtenFacts: [Int: ReplicaFact] = [:]
    private var pulseCount = 0
    private static let noteCount = 20

    init(_ spec: DeploymentSpec, memory: DeploymentMemory, _ surroundings: Surroundings) {
        name = spec.name
        self.spec = spec
        self.memory = memory
        self.surroundings = surroundings
        let recipe = EngineRecipe.of(spec.engine)
        self.recipe = recipe
        servedModel = recipe.servesDeploymentName ? spec.name : spec.model
        ladder = TierLadder(Self.tiers(recipe, spec))
        var imager: ProcessImager?
        if ladder.offered.contains(.processSnapshot) {
            do throws(ReplicaFailure) {
                imager = try ProcessImager.find()
            } catch {
                ladder.withdraw(.processSnapshot, error)
            }
        }
        self.imager = imager
        // An image of a process is known by the daemon that made it only.
        for tier in memory.images where tier != .processSnapshot { ladder.imageMade(tier) }
        autoscaler = Autoscaler(spec.scale)
        // The front calls back through a box that is filled when there is something to call.
        let box = WeakDeployment()
        front = DeploymentFront(
            limits: surroundings.limits,
            demanded: { Task { await box.value?.evaluate() } },
            suspected: { replica in Task { await box.value?.suspect(replica) } },
            proven: { replica in if box.isUnproven(replica) { Task { await box.value?.proved(replica) } } })
        unproven = box
        box.value = self
        front.isStopped = memory.isStopped
        front.outlook = .init(state: "absent", tier: .cold, predicted_ms: memory.predicted_ms(.cold))
    }

    /// Which replicas have not answered a request since they came up; also the way from the front to here.
    private nonisolated let unproven: WeakDeployment

    /// The tiers that this deployment can have on this machine.
    private static func tiers(_ recipe: EngineRecipe, _ spec: DeploymentSpec) -> [SleepTier] {
        recipe.tiers.filter { tier in
            switch tier {
            // Sleep modes move device memory; on a processor engines refuse them.
            case .inPlace: spec.gpuCount > 0
            // A stopped process keeps its device memory, for which others wait.
            case .suspended: spec.gpuCount == 0
            // Processes come back under their old numbers and ports, so one image makes one replica.
            case .processSnapshot: spec.gpuCount == 0 && spec.scale.maxCount == 1
            case .kitSnapshot:
                spec.extraArguments.isEmpty || spec.extraArguments.contains { $0.contains("{store}") }
            case .cold: true
            }
        }
    }

    // MARK: Wishes

    /// Looks how many replicas there should be, and sees to it.
    func evaluate() {
        let load = front.takeLoad()
        guard !memory.isStopped else { return }
        let now_ms = Int(EventLoop.clock_ns() / 1_000_000)
        for arrival in load.arrivals_ms { autoscaler.requestArrived(at: arrival) }
        if load.held > 0 { isHeldDown = false }
        let wake_ms = memory.predicted_ms(ladder.tier(atLeast: spec.leastTier))
        let desired = autoscaler.desired(inFlight: load.inFlight, held: load.held, wake_ms: wake_ms, at: now_ms)
        var wanted = isHeldDown ? 0 : desired.count
        if now_ms < awakeUntil_ms { wanted = max(wanted, 1) }
        let active = replicas.values.filter(\.machine.isWanted).sorted { $0.number < $1.number }
        if active.count < wanted {
            for _ in active.count..<wanted { wakeOne() }
        } else if active.count > wanted {
            let idle = active.filter { $0.machine.state == .ready }
                .sorted { front.inFlight($0.number) < front.inFlight($1.number) }
            for replica in idle.prefix(active.count - wanted) {
                handle(.mayRest(atLeast: spec.leastTier), replica.number)
            }
            // What failed is not tried again for nobody.
            for replica in active { if case .failed = replica.machine.state { rest(replica) } }
        }
        if load.held > 0 { answerForTheFailed(active) }
        for replica in replicas.values {
            let piece = replica.clock.piece(longest_ms: surroundings.limits.residencyPiece_ms, at: now_ms)
            if let piece { surroundings.meter.record(piece) }
        }
        pulseCount += 1
        if pulseCount % 100 == 0 { trimLogs() }
    }

    private func rest(_ replica: Replica) { handle(.mayRest(atLeast: spec.leastTier), replica.number) }

    /// Requests that wait for nothing but a replica that failed are told so.
    private func answerForTheFailed(_ active: [Replica]) {
        var last: ReplicaFailure?
        for replica in active {
            guard case .failed(let failure, let canRetry) = replica.machine.state else { return }
            last = failure
            if !canRetry { handle(.wanted, replica.number) }
        }
        guard let last, !active.contains(where: { $0.machine.state.label == "starting" }) else { return }
        front.refuseAll(.failed(last))
    }

    /// Wakes the replica that is fastest to wake, or makes a new one.
    private func wakeOne() {
        let resting = replicas.values.filter { !$0.machine.isWanted }
            .sorted { ($0.machine.state.tier ?? .cold, $0.number) < ($1.machine.state.tier ?? .cold, $1.number) }
        if let replica = resting.first { return handle(.wanted, replica.number) }
        let number = (1...).first { replicas[$0] == nil }!
        replicas[number] = newReplica(number)
        handle(.wanted, number)
    }

    private func newReplica(_ number: Int, _ machine: ReplicaMachine = ReplicaMachine()) -> Replica {
        let device = spec.gpuCount == 0 ? "host" : spec.gpuCount == 1 ? "gpu" : "gpu x \(spec.gpuCount)"
        let clock = ResidencyClock(
            deployment: name, replica: "\(name)/\(number)/\(surroundings.run)", device: device,
            now_ms: Int(EventLoop.clock_ns() / 1_000_000), wall_ms: Meter.now_ms())
        return Replica(number: number, clock: clock, machine: machine)
    }

    /// Brings up a replica for as long as an idle one is kept.
    func wake() throws(ServeError) {
        if memory.isStopped {
            memory.isStopped = false
            try writeMemory()
            front.isStopped = false
        }
        isHeldDown = false
        awakeUntil_ms = Int(EventLoop.clock_ns() / 1_000_000) + max(spec.scale.scaledown_ms, 1_000)
        for replica in replicas.values {
            if case .failed(_, canRetry: false) = replica.machine.state { handle(.wanted, replica.number) }
        }
        evaluate()
    }

    /// Puts all replicas to sleep until something is asked of them.
    func sleep(atLeast tier: SleepTier) {
        isHeldDown = true
        awakeUntil_ms = 0
        for number in replicas.keys.sorted() { handle(.mayRest(atLeast: max(tier, spec.leastTier)), number) }
    }

    /// Ends all engines; requests are refused until `wake`.
    func stop() async throws(ServeError) {
        memory.isStopped = true
        try writeMemory()
        front.isStopped = true
        await endAll()
    }

    /// Ends all engines and waits until they are gone.
    func endAll() async {
        awakeUntil_ms = 0
        for number in replicas.keys.sorted() { handle(.stop, number) }
        for replica in replicas.values {
            while let work = replica.work {
                await work.value
                if replica.work == work { break }
            }
        }
        for (number, replica) in replicas where replica.machine.state == .absent { replicas[number] = nil }
    }

    /// New numbers of replicas, from the next decision on.
    func scale(_ settings: ScaleSettings) throws(ServeError) {
        if let problem = settings.problem { throw ServeError(.invalidSpec, problem) }
        spec.scale = settings
        autoscaler.settings = settings
        try surroundings.directory.write(spec.json, to: "spec.json", of: name)
        evaluate()
    }

    /// New prices, from the next answer on.
    func setPrice(_ price: Price) async throws(ServeError) {
        spec.price = price
        try surroundings.directory.write(spec.json, to: "spec.json", of: name)
        try await surroundings.meter.record(price, of: name)
    }

    // MARK: Events

    /// Gives an event to a replica's machine and begins what it asks for.
    func handle(_ event: ReplicaMachine.Event, _ number: Int) {
        guard let replica = replicas[number] else { return }
        let before = replica.machine.state
        let actions = replica.machine.handle(event, &ladder)
        let after = replica.machine.state
        if before != after { changed(replica, from: before, to: after) }
        for action in actions { begin(action, replica) }
        refreshOutlook()
        writeFact(replica)
    }

    private func changed(_ replica: Replica, from before: ReplicaState, to after: ReplicaState) {
        let now_ns = EventLoop.clock_ns()
        if let stretch = replica.clock.enter(after.residency, at: Int(now_ns / 1_000_000)) {
            surroundings.meter.record(stretch)
        }
        switch after {
        case .starting(.engine), .waking(_, .engine):
            if replica.wakeBegun_ns == 0 {
                replica.wakeBegun_ns = now_ns
                replica.wakeTier = after.tier
            }
        case .ready:
            if replica.wakeBegun_ns > 0, let begun = replica.wakeTier {
                let took_ms = Double(now_ns - replica.wakeBegun_ns) / 1e6
                wakes.append(replica.waterfall(until: now_ns, from: before.tier ?? begun))
                if wakes.count > Self.noteCount { wakes.removeFirst(wakes.count - Self.noteCount) }
                // After a fall back on the way it is another tier, and the time no measure of either.
                let tier = before.tier ?? begun
                if tier == begun { memory.note(tier, took_ms: took_ms) }
                replica.wakeTier = tier
                note("replica \(replica.number) is ready from \(tier.rawValue) after \(Int(took_ms)) ms")
                try? writeMemory()
            }
            replica.wakeBegun_ns = 0
            unproven.insert(replica.number)
            // Time to be used in, however long it took to come up.
            awakeUntil_ms = max(awakeUntil_ms, Int(now_ns / 1_000_000) + spec.scale.scaledown_ms)
        case .failed(let failure, _):
            note("replica \(replica.number) failed: \(failure)")
            replica.wakeBegun_ns = 0
        case .asleep(let tier):
            replica.wakeBegun_ns = 0
            note("replica \(replica.number) sleeps: \(tier.rawValue)")
        default: break
        }
        replica.since_ns = now_ns
    }

    private func begin(_ action: ReplicaMachine.Action, _ replica: Replica) {
        let number = replica.number
        switch action {
        case .admit:
            front.stopDraining(number)
            front.open(
                number, generation: replica.machine.engine.number, url: replica.url, tier: replica.wakeTier ?? .cold)
        case .admitOnTrial:
            // The canary comes first where only one is answered at a time.
            guard spec.scale.concurrency > 1 else { return }
            front.open(
                number, generation: replica.machine.engine.number, url: replica.url,
                tier: replica.machine.state.tier ?? .cold, trialCount: spec.scale.concurrency - 1)
        case .close: front.close(number)
        case .refuse(let failure):
            let others = replicas.values.contains { other in
                other.number != number && ["ready", "waking", "starting"].contains(other.machine.state.label)
            }
            if !others { front.refuseAll(.failed(failure)) }
        case .fellBack(let from, let to, let failure, let isAside):
            let aside = isAside ? "; \(from.rawValue) is put aside" : ""
            note("replica \(number) falls back from \(from.rawValue) to \(to.rawValue): \(failure)\(aside)")
            try? writeMemory()
        case .retry(let step, let after_ms):
            Task {
                await EngineHost.pause(after_ms)
                self.handle(.retryDue(step), number)
            }
        case .end:
            front.drop(number)
            enqueue(replica, action, cancelling: true)
        case .launch, .restore, .checkCanary, .layDown, .drain: enqueue(replica, action, cancelling: false)
        }
    }

    /// Actions of one replica are carried out one after the other; one that ends the engine cuts short what waits for it.
    private func enqueue(_ replica: Replica, _ action: ReplicaMachine.Action, cancelling: Bool) {
        let previous = replica.work
        if cancelling { previous?.cancel() }
        replica.work = Task {
            await previous?.value
            await self.carryOut(action, replica.number)
        }
    }

    /// An engine gave nothing: it is asked whether it lives.
    private func suspect(_ number: Int) async {
        guard let replica = replicas[number], replica.machine.state == .ready, let process = replica.process else {
            return
        }
        let engine = replica.machine.engine
        if process.ending == nil, await answers(replica.url + recipe.readyPath, limit_ms: 2_000) {
            guard replicas[number]?.machine.engine == engine, replica.machine.state == .ready else { return }
            return front.open(
                number, generation: engine.number, url: replica.url, tier: replica.wakeTier ?? .cold)
        }
        // If it is dead, its end is reported too; whichever comes first counts.
        let ending = process.ending?.text ?? "it gave nothing and its health check fails"
        handle(.engineExited(engine, exitFailure(.exited, ending, number)), number)
    }

    private func proved(_ number: Int) {
        unproven.remove(number)
        handle(.proven, number)
    }

    // MARK: What is known

    func note(_ text: String) {
        notes.append(text)
        if notes.count > Self.noteCount { notes.removeFirst(notes.count - Self.noteCount) }
        surroundings.log("\(name): \(text)")
    }

    func exitFailure(_ code: ReplicaFailure.Code, _ what: String, _ number: Int) -> ReplicaFailure {
        let lines = log(number).tail(lineCount: 5).joined(separator: " | ")
        return ReplicaFailure(code, lines.isEmpty ? what : "\(what); it last printed: \(lines)")
    }

    func log(_ number: Int) -> EngineLog {
        EngineLog(path: surroundings.directory.logPath(name, replica: number), limits: surroundings.limits)
    }

    /// The last lines of all replicas' engines.
    func logTail(lineCount: Int) -> [String] {
        let numbers = Set(replicas.keys).union([1]).sorted()
        guard numbers.count > 1 else { return log(numbers[0]).tail(lineCount: lineCount) }
        return numbers.flatMap { number in log(number).tail(lineCount: lineCount).map { "[\(number)] \($0)" } }
    }

    private func trimLogs() {
        // An image of a process knows how long its log was.
        for replica in replicas.values where replica.imagePID == nil { log(replica.number).trim() }
    }

    private func refreshOutlook() {
        let order: [String] = ["ready", "draining", "waking", "starting", "falling-asleep", "asleep", "failed"]
        let states = replicas.values.map { ($0, order.firstIndex(of: $0.machine.state.label) ?? order.count) }
        guard let replica = states.min(by: { ($0.1, $0.0.number) < ($1.1, $1.0.number) })?.0 else {
            front.outlook = .init(state: "absent", tier: .cold, predicted_ms: memory.predicted_ms(.cold))
            return
        }
        let state = replica.machine.state
        let tier = replica.wakeTier ?? state.tier ?? .cold
        let isUp = state == .ready
        front.outlook = .init(
            state: state.label, tier: isUp ? nil : state.tier ?? tier,
            predicted_ms: isUp ? 0 : memory.predicted_ms(state.tier ?? tier), begun_ns: replica.wakeBegun_ns)
    }

    /// What it is doing. Measures memory, which takes a millisecond or two.
    public func status() -> DeploymentStatus {
        let counts = front.counts
        let shown = replicas.values.sorted { $0.number < $1.number }.map { replica in
            var failure: String?
            if case .failed(let reason, _) = replica.machine.state { failure = "\(reason)" }
            let alive = replica.process.flatMap { $0.ending == nil ? $0 : nil }
            return DeploymentStatus.Replica(
                number: replica.number, state: replica.machine.state.label, tier: replica.machine.state.tier,
                pid: alive?.identity.pid, port: alive == nil ? nil : replica.port,
                residentBytes: alive?.residentBytes() ?? 0,
                freedBytes: max(0, replica.memoryBefore - replica.memoryAfter),
                inFlight: front.inFlight(replica.number), failure: failure)
        }
        let next = ladder.tier(atLeast: spec.leastTier)
        let lost = ladder.lastFailures.filter { ladder.isAside($0.key) || !ladder.offered.contains($0.key) }
            .sorted { $0.key < $1.key }.map { "\($0.key.rawValue): \($0.value)" }
        return DeploymentStatus(
            spec: spec, isStopped: memory.isStopped, replicas: shown, held: front.heldCount, requests: counts.requests,
            answered: counts.answered, promptTokens: counts.promptTokens, answerTokens: counts.answerTokens,
            nextTier: next, predictedWake_ms: memory.predicted_ms(next), lostTiers: lost, notes: notes, wakes: wakes)
    }

    // MARK: What is kept

    /// Puts the stretches of time so far into the ledger.
    func meterResidency() {
        let now_ms = Int(EventLoop.clock_ns() / 1_000_000)
        for replica in replicas.values {
            if let piece = replica.clock.piece(longest_ms: 0, at: now_ms) { surroundings.meter.record(piece) }
        }
    }

    func writeMemory() throws(ServeError) {
        memory.images = ladder.images
        try surroundings.directory.write(memory.json, to: "memory.json", of: name)
    }

    /// Keeps where a replica's engine is. A fact that cannot be written costs a restart of the engine, and nothing else.
    func writeFact(_ replica: Replica) {
        var fact: ReplicaFact?
        if let process = replica.process, process.ending == nil {
            var asleep: SleepTier?
            if case .asleep(let tier) = replica.machine.state { asleep = tier }
            fact = ReplicaFact(
                pid: process.identity.pid, startTicks: process.identity.startTicks, bootID: ReplicaFact.thisBoot,
                port: replica.port, asleep: asleep)
        }
        guard fact != writtenFacts[replica.number] else { return }
        writtenFacts[replica.number] = fact
        if let fact {
            // Not synced: after a crash of the machine there is no engine to find.
            try? surroundings.directory.write(fact.json, to: replica.factFile, of: name, isSynced: false)
        } else {
            try? surroundings.directory.remove(replica.factFile, of: name)
        }
    }

    /// Finds the engines of an earlier run again.
    func adopt(_ facts: [(number: Int, fact: ReplicaFact)]) async {
        for (number, fact) in facts {
            let identity = EngineProcess.Identity(pid: fact.pid, startTicks: fact.startTicks)
            let process =
                fact.bootID == ReplicaFact.thisBoot
                ? await EngineProcess.adopt(identity, on: surroundings.host) : nil
            guard let process else {
                note("replica \(number)'s engine (process \(fact.pid)) is gone; it is started again when it is needed")
                let file = Replica.factFile(number)
                try? surroundings.directory.remove(file, of: name)
                continue
            }
            let tier = fact.asleep.flatMap { $0.keepsProcess ? $0 : nil } ?? .suspended
            let replica = newReplica(number, ReplicaMachine(adopting: tier))
            _ = replica.clock.enter(replica.machine.state.residency, at: Int(EventLoop.clock_ns() / 1_000_000))
            replica.process = process
            replica.port = fact.port
            replicas[number] = replica
            watch(process, replica.machine.engine, number)
            note(
                "replica \(number)'s engine (process \(fact.pid)) lives and is taken over, \(fact.asleep == nil ? "awake" : "asleep")"
            )
            writtenFacts[number] = fact
            if fact.asleep == nil { awakeUntil_ms = Int(EventLoop.clock_ns() / 1_000_000) + spec.scale.scaledown_ms }
        }
        evaluate()
    }

    /// Reports an engine's end.
    func watch(_ process: EngineProcess, _ engine: ReplicaMachine.EngineID, _ number: Int) {
        process.onEnd { [weak self] ending in
            Task {
                guard let self else { return }
                await self.ended(engine, ending, number)
            }
        }
    }

    private func ended(_ engine: ReplicaMachine.EngineID, _ ending: EngineProcess.Ending, _ number: Int) {
        guard let replica = replicas[number] else { return }
        let isStarting = replica.machine.state.label == "starting" || replica.machine.state.label == "waking"
        let code: ReplicaFailure.Code = isStarting ? .exitedEarly : .exited
        handle(.engineExited(engine, exitFailure(code, "the engine ended: \(ending.text)", number)), number)
    }
}
