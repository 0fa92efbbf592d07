internal import Synchronization
public import Transport
public import Wire

/// The serverless runtime: deployments, their engines, and the way requests take to them. Any thread.
///
/// ```swift
/// let runtime = try await ServeRuntime(directory: try StateDirectory(path: "/var/lib/gpuserve"), transport: transport)
/// try await runtime.deploy(DeploymentSpec(name: "chat", engine: .llamaCpp, model: "/models/smol.gguf"))
/// let server = HTTPServer(configuration: .init(address: address), handler: ServeHandler(runtime))
/// ```
public final class ServeRuntime: Sendable {
    private struct State {
        var deployments: [String: Deployment] = [:]
        /// Names that are being made or removed.
        var busy: Set<String> = []
        var pulse: Task<Void, Never>?
    }

    /// Where everything is kept.
    public let directory: StateDirectory
    /// The bounds in force.
    public let limits: Limits
    let transport: any UpstreamTransport
    let meter: Meter
    let keys: ClientKeys
    let memory: MemoryKeeper
    private let machine: MachineMemory
    private let bandwidths: Bandwidths?
    private let surroundings: Deployment.Surroundings
    let jobs: JobRunner
    private let state = Lock(State())
    /// How often deadlines and idleness are looked at.
    private static let pulse_ms = 100
    private static let pulsesPerProgress = 10

    /// Takes up all deployments of a state directory, and the engines of an earlier run that live.
    ///
    /// - Parameters:
    ///   - transport: carries requests to the engines; best on the loops that serve.
    ///   - machine: what engines can be put into; looked up when nil.
    ///   - budget: memory that all engines together may hold; nine tenths of the machine's when nil.
    ///   - bandwidths: of this machine, for predictions; nil when they were never measured.
    ///   - log: gets a line for each thing worth knowing.
    public init(
        directory: StateDirectory, transport: any UpstreamTransport, limits: Limits = .standard,
        machine: MachineMemory? = nil, budget: MemorySize? = nil, bandwidths: Bandwidths? = nil,
        log: @escaping @Sendable (String) -> Void = { _ in }
    ) async throws {
        self.directory = directory
        self.limits = limits
        self.transport = transport
        let ledger = try await Ledger.open(path: directory.path + "/ledger", limits: limits)
        if let cut = ledger.recovery.cut { log("ledger: \(cut)") }
        meter = Meter(ledger)
        keys = try ClientKeys(directory, limits: limits)
        let machine = machine ?? MachineMemory.discover()
        self.machine = machine
        self.bandwidths = bandwidths
        memory = MemoryKeeper(capacity: budget ?? machine.standardBudget, limits: limits)
        surroundings = Deployment.Surroundings(
            directory: directory, host: try EngineHost(), transport: transport, limits: limits, meter: meter,
            memory: memory, devices: EngineDevices(limits: limits), run: RandomName.make(), log: log)
        jobs = JobRunner(surroundings)
        let names = try directory.deployments()
        for name in names { try await takeUp(name) }
        endStrays(but: Set(names))
        let pulse = Task { [weak self] in
            var count = 0
            while await EngineHost.pause(Self.pulse_ms) {
                guard let self else { return }
                count += 1
                await self.pulse(tellsProgress: count % Self.pulsesPerProgress == 0)
            }
        }
        state.withLock { $0.pulse = pulse }
    }

    /// Ends what is left of jobs, and of deployments that there are no more; those whose text cannot be read are not among them.
    private func endStrays(but names: Set<String>) {
        let strays = StrayEngines.find(statePath: directory.path).filter { !names.contains($0.deployment) }
        for stray in StrayEngines.end(strays) {
            surroundings.log("\(stray.deployment): process \(stray.pid) was left of it and is ended")
        }
    }

    private func takeUp(_ name: String) async throws(ServeError) {
        guard let text = try directory.read("spec.json", of: name) else {
            // A crash between the removal of what makes it a deployment and that of the rest.
            return try directory.removeDeployment(name)
        }
        let spec: DeploymentSpec
        do throws(ServeError) {
            spec = try DeploymentSpec(json: text, limits: limits)
        } catch {
            return surroundings.log("\(name): left alone, its spec.json cannot be used: \(error)")
        }
        let memory =
            try directory.read("memory.json", of: name).map { DeploymentMemory(json: $0) } ?? DeploymentMemory()
        let deployment = Deployment(spec, memory: memory, need: await plan(spec).need, surroundings)
        state.withLock { $0.deployments[name] = deployment }
        var facts: [(number: Int, fact: ReplicaFact)] = []
        let numbers = 1...spec.scale.maxCount + 16
        for number in numbers {
            guard let text = try directory.read(Replica.factFile(number), of: name) else { continue }
            if let fact = ReplicaFact(json: text) { facts.append((number, fact)) }
        }
        try await meter.record(spec.price, of: name)
        await deployment.adopt(facts, images: numbers)
    }

    /// What a deployment would take here, and how long; nothing is started.
    public func plan(_ spec: DeploymentSpec) async -> DeploymentPlan {
        let limits = limits
        let facts = try? await BlockingThreads.shared.run { () throws(SnapshotError) in
            ModelFacts.read(spec.model, limits: limits)
        }
        var starts: [Double] = []
        for deployment in all {
            if let start_ms = await deployment.start_ms(of: spec.engine, bandwidths ?? .standard) {
                starts.append(start_ms)
            }
        }
        starts.sort()
        return DeploymentPlan(
            spec, facts ?? ModelFacts(evidence: .none, weightBytes: 0), on: machine, budget: memory.use.capacity,
            bandwidths: bandwidths, start_ms: starts.isEmpty ? nil : Int(starts[starts.count / 2]))
    }

    private func pulse(tellsProgress: Bool) async {
        let now_ns = EventLoop.clock_ns()
        for deployment in all {
            deployment.front.tick(now_ns: now_ns, tellsProgress: tellsProgress)
            await deployment.evaluate()
        }
        memory.relieve()
    }

    private var all: [Deployment] {
        state.withLock { $0.deployments.values.sorted { $0.name < $1.name } }
    }

    /// A deployment; nil when there is none of that name.
    public func deployment(_ name: String) -> Deployment? { state.withLock { $0.deployments[name] } }

    private func known(_ name: String) throws(ServeError) -> Deployment {
        if let deployment = deployment(name) { return deployment }
        throw ServeError(.unknownDeployment, "there is no deployment '\(name)'; gpuserve ls shows all")
    }

    // MARK: Accounts

    /// Makes a key for a client and returns it: it is kept nowhere. From the first one on, requests need one.
    public func addKey(_ id: String) throws(ServeError) -> String { try keys.add(id) }

    /// Ends a client's key.
    public func revokeKey(_ id: String) throws(ServeError) { try keys.revoke(id) }

    /// All keys that were made.
    public var clientKeys: [ClientKey] { keys.all }

    /// The bill so far; see `Bill.read`.
    public func bill(by grouping: Bill.Grouping, from start_ms: Int, to end_ms: Int) async throws(ServeError) -> Bill {
        let (path, limits) = (meter.path, limits)
        let made = try? await BlockingThreads.shared.run { () throws(SnapshotError) in
            Result<Bill, LedgerError> { () throws(LedgerError) in
                try Bill.read(path: path, by: grouping, from: start_ms, to: end_ms, limits: limits)
            }
        }
        switch made {
        case .success(let bill)?: return bill
        case .failure(let error)?: throw ServeError(.ledgerUnusable, "\(error)")
        case nil: preconditionFailure("the closure never throws")
        }
    }

    // MARK: Jobs

    /// Takes a job; returns its name to `job` and `endJob`. It begins as soon as its memory is free.
    public func start(_ job: JobSpec) async throws(ServeError) -> String {
        if let problem = job.problem { throw ServeError(.invalidSpec, problem) }
        return try await jobs.start(job)
    }

    /// How a job is going.
    public func job(_ id: String) async throws(ServeError) -> JobStatus { try await jobs.status(id) }

    /// Ends a job, wherever it is.
    public func endJob(_ id: String) async throws(ServeError) { try await jobs.end(id) }

    // MARK: What can be asked

    /// Makes a deployment and brings its first replica up. Returns once it is kept, before the engine is ready.
    public func deploy(_ spec: DeploymentSpec) async throws(ServeError) {
        if let problem = spec.problem { throw ServeError(.invalidSpec, problem) }
        let plan = await plan(spec)
        if let refusal = plan.refusal { throw ServeError(.tooLarge, "\(refusal)") }
        let refusal = state.withLock { state -> ServeError? in
            guard state.deployments[spec.name] == nil, !state.busy.contains(spec.name) else {
                return ServeError(
                    .nameTaken, "there is a deployment '\(spec.name)': gpuserve rm \(spec.name), or another name")
            }
            guard state.deployments.count < limits.deploymentCount else {
                return ServeError(.tooMany, "\(limits.deploymentCount) deployments are there; remove one")
            }
            state.busy.insert(spec.name)
            return nil
        }
        if let refusal { throw refusal }
        defer { state.withLock { _ = $0.busy.remove(spec.name) } }
        try directory.write(spec.json, to: "spec.json", of: spec.name)
        // Also when there is none: an earlier deployment of that name may have had one.
        try await meter.record(spec.price, of: spec.name)
        let deployment = Deployment(
            spec, memory: DeploymentMemory(), need: plan.need, surroundings)
        state.withLock { $0.deployments[spec.name] = deployment }
        try await deployment.wake()
    }

    /// Ends a deployment's engines, within bounds, and forgets it. Returns what is worth saying about how they ended.
    @discardableResult
    public func remove(_ name: String) async throws(ServeError) -> [String] {
        let deployment = try known(name)
        let notes = try await deployment.stop()
        state.withLock { $0.deployments[name] = nil }
        memory.leave(name)
        try directory.removeDeployment(name)
        return notes
    }

    /// Brings a replica up.
    public func wake(_ name: String) async throws(ServeError) { try await known(name).wake() }

    /// Puts all replicas to sleep, at least so deep, until something is asked of them.
    public func sleep(_ name: String, atLeast tier: SleepTier = .inPlace) async throws(ServeError) {
        await (try known(name)).sleep(atLeast: tier)
    }

    /// Makes a new image of an awake deployment, of the fastest tier that it has, and brings it back from that: requests wait.
    ///
    /// - Throws: `notAwake`, `noImages`, `notPermitted`, `deploymentBusy`; `replicaFailed` when the image was not made or does
    ///   not wake, which leaves the deployment as after any sleep.
    public func snapshot(_ name: String) async throws(ServeError) -> ImageReport { try await known(name).snapshot() }

    /// Ends all engines, within bounds; requests are refused until `wake`. Returns what is worth saying about how they ended.
    @discardableResult
    public func stop(_ name: String) async throws(ServeError) -> [String] { try await known(name).stop() }

    /// Changes how many replicas there are and when.
    public func scale(_ name: String, _ settings: ScaleSettings) async throws(ServeError) {
        try await known(name).scale(settings)
    }

    /// Changes what a deployment costs, from the next answer on.
    public func setPrice(_ name: String, _ price: Price) async throws(ServeError) {
        try await known(name).setPrice(price)
    }

    /// The last lines that a deployment's engines printed.
    public func logTail(_ name: String, lineCount: Int) async throws(ServeError) -> [String] {
        await (try known(name)).logTail(lineCount: lineCount)
    }

    /// What one deployment is doing.
    public func status(_ name: String) async throws(ServeError) -> DeploymentStatus { await (try known(name)).status() }

    /// What all deployments are doing, by name.
    public func status() async -> [DeploymentStatus] {
        var found: [DeploymentStatus] = []
        for deployment in all { found.append(await deployment.status()) }
        return found
    }

    /// The machine's memory and what engines hold of it.
    public var memoryUse: BudgetUse { memory.use }

    /// Names of all deployments.
    public var names: [String] { all.map(\.name) }

    /// Lets go of everything. Engines live on, for the next run to take over, unless `endsEngines`.
    public func shutDown(endsEngines: Bool) async {
        state.withLock { $0.pulse }?.cancel()
        await jobs.close()
        for deployment in all {
            if endsEngines { _ = await deployment.endAll() }
            await deployment.meterResidency()
        }
        await meter.close()
    }
}
