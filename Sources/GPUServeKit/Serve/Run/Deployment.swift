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
        let memory: MemoryKeeper
        let devices: EngineDevices
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
    var autoscaler: Autoscaler
    var handWish = HandWish()
    /// Put to sleep by hand.
    private var isHeldDown = false
    /// Has made room for others: what was wanted before is wanted no more.
    var isPushedOut = false
    /// What a replica was reckoned to need before it was ever up.
    let planned: MemoryNeed
    /// The replica of which an image is being made: nobody else decides about replicas meanwhile.
    var snapshotOf: Int?
    /// The replica that waits for room as of this look, and why.
    var claim: (key: MemoryPlan.Key, obstacle: MemoryPlan.Obstacle)?
    /// Why a replica waits for room, for those who ask; nil when none does.
    var obstacle: MemoryPlan.Obstacle?
    var notes: [String] = []
    /// Those about the end that is being waited for.
    var endNotes: [String] = []
    var wakes: [Waterfall] = []
    var writtenFacts: [Int: ReplicaFact] = [:]
    private var pulseCount = 0
    private static let pulsesPerMeasure = 300
    static let noteCount = 20

    init(_ spec: DeploymentSpec, memory: DeploymentMemory, need: MemoryNeed, _ surroundings: Surroundings) {
        planned = need
        name = spec.name
        self.spec = spec
        self.memory = memory
        self.surroundings = surroundings
        let recipe = EngineRecipe.of(spec.engine)
        self.recipe = recipe
        servedModel = recipe.servesDeploymentName ? spec.name : spec.model
        ladder = TierLadder(Self.tiers(recipe, spec))
        // A stopped process keeps its device memory, for which others wait, unless the driver moves it out.
        if spec.gpuCount > 0, let problem = surroundings.devices.problem {
            ladder.withdraw(.suspended, ReplicaFailure(.notPermitted, problem))
        }
        var imager: ProcessImager?
        if ladder.offered.contains(.processSnapshot) {
            do throws(ReplicaFailure) {
                imager = try ProcessImager.find()
            } catch {
                ladder.withdraw(.processSnapshot, error)
            }
        }
        self.imager = imager
        // Images of processes are looked for when replicas are adopted.
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
        surroundings.memory.join(name, box)
        front.isStopped = memory.isStopped
        front.outlook = .init(state: "absent", tier: .cold, predicted_ms: memory.predicted_ms(.cold))
    }

    /// Which replicas have not answered a request since they came up; also the way from the front to here.
    nonisolated let unproven: WeakDeployment

    /// The tiers that this deployment can have on this machine.
    static func tiers(_ recipe: EngineRecipe, _ spec: DeploymentSpec) -> [SleepTier] {
        recipe.tiers.filter { tier in
            switch tier {
            // Sleep modes move device memory; on a processor engines refuse them.
            case .inPlace: spec.gpuCount > 0
            case .suspended: true
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
        guard !memory.isStopped, snapshotOf == nil else { return }
        let now_ms = EventLoop.clock_ms()
        for arrival in load.arrivals_ms { autoscaler.requestArrived(at: arrival) }
        if load.held > 0 { (isHeldDown, isPushedOut) = (false, false) }
        let wake_ms = memory.predicted_ms(ladder.tier(atLeast: spec.leastTier))
        let wish = autoscaler.wish(
            inFlight: load.inFlight, held: load.held, wake_ms: wake_ms, isAskedFor: handWish.isOn(at: now_ms),
            isPushedOut: isPushedOut, at: now_ms)
        let wanted = isHeldDown ? 0 : wish.count
        let active = replicas.values.filter(\.machine.isWanted).sorted { $0.number < $1.number }
        claim = nil
        if active.count < wanted {
            for index in active.count..<wanted { if !wakeOne(isUrgent: index < wish.urgentCount) { break } }
        } else if active.count > wanted {
            let idle = active.filter { $0.machine.state == .ready }
                .sorted { front.inFlight($0.number) < front.inFlight($1.number) }
            for replica in idle.prefix(active.count - wanted) { rest(replica) }
            // What failed is not tried again for nobody.
            for replica in active { if case .failed = replica.machine.state { rest(replica) } }
        }
        if load.held > 0 { answerForTheFailed(active) }
        // Whoever asked for it by hand waits for room as long as a request would.
        if claim != nil { handWish.waitsForRoom(at: now_ms) }
        settleClaim(at: now_ms)
        for replica in replicas.values {
            let piece = replica.clock.piece(longest_ms: surroundings.limits.residencyPiece_ms, at: now_ms)
            if let piece { surroundings.meter.record(piece) }
            hold(replica)
            if pulseCount % Self.pulsesPerMeasure == replica.number % Self.pulsesPerMeasure { measure(replica) }
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
            if !canRetry, hasRoom(replica.number, isUrgent: true) { handle(.wanted, replica.number) }
        }
        guard let last, !active.contains(where: { $0.machine.state.label == "starting" }) else { return }
        front.refuseAll(.failed(last))
    }

    /// Wakes the replica that is fastest to wake, or makes a new one; false when there is no room for it.
    private func wakeOne(isUrgent: Bool) -> Bool {
        let resting = replicas.values.filter { !$0.machine.isWanted }
            .sorted { ($0.machine.state.tier ?? .cold, $0.number) < ($1.machine.state.tier ?? .cold, $1.number) }
        let number = resting.first?.number ?? (1...).first { replicas[$0] == nil }!
        guard hasRoom(number, isUrgent: isUrgent) else { return false }
        if replicas[number] == nil { replicas[number] = newReplica(number) }
        replicas[number]?.isGuess = !isUrgent
        handle(.wanted, number)
        return true
    }

    func newReplica(_ number: Int, _ machine: ReplicaMachine = ReplicaMachine()) -> Replica {
        let device = ResidencyClock.device(count: spec.gpuCount)
        let clock = ResidencyClock(
            deployment: name, replica: "\(name)/\(number)/\(surroundings.run)", device: device,
            now_ms: EventLoop.clock_ms(), wall_ms: Meter.now_ms())
        return Replica(number: number, clock: clock, machine: machine)
    }

    /// Brings up a replica for as long as an idle one is kept.
    func wake() throws(ServeError) {
        if memory.isStopped {
            memory.isStopped = false
            try writeMemory()
            front.isStopped = false
        }
        (isHeldDown, isPushedOut) = (false, false)
        handWish.ask(at: EventLoop.clock_ms(), spec.scale, limit_ms: surroundings.limits.heldRequest_ms)
        // What failed for good is tried again.
        for replica in replicas.values {
            if case .failed(_, canRetry: false) = replica.machine.state { rest(replica) }
        }
        evaluate()
    }

    /// Puts all replicas to sleep until something is asked of them.
    func sleep(atLeast tier: SleepTier) {
        isHeldDown = true
        handWish.end()
        for number in replicas.keys.sorted() { handle(.mayRest(atLeast: max(tier, spec.leastTier)), number) }
    }

    /// Ends all engines; requests are refused until `wake`. Returns what is worth saying about how they ended.
    func stop() async throws(ServeError) -> [String] {
        memory.isStopped = true
        try writeMemory()
        front.isStopped = true
        surroundings.memory.withdraw(name, but: nil)
        let notes = await endAll()
        for number in replicas.keys where replicas[number]?.machine.state == .absent {
            if let replica = replicas[number] { loseImage(replica) }
            replicas[number] = nil
        }
        return notes
    }

    /// Ends all engines and waits until they are gone, within bounds. Returns what is worth saying about how they ended.
    func endAll() async -> [String] {
        handWish.end()
        endNotes = []
        for number in replicas.keys.sorted() { handle(.stop, number) }
        let impatience = Task {
            if await EngineHost.pause(surroundings.limits.stopDrain_ms) { self.cutOff() }
        }
        for replica in replicas.values {
            while let work = replica.work {
                await work.value
                if replica.work == work { break }
            }
        }
        impatience.cancel()
        endStrays()
        return endNotes
    }

    /// Requests in flight had their time.
    private func cutOff() {
        for replica in replicas.values where replica.machine.state == .draining(.stop) {
            let count = front.inFlight(replica.number)
            noteEnd(
                "\(count) request\(count == 1 ? "" : "s") in flight at replica \(replica.number) cut off after "
                    + "\(surroundings.limits.stopDrain_ms) ms")
            front.stopDraining(replica.number)
        }
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
}
