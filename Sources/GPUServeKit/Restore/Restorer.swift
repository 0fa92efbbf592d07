internal import Synchronization
internal import Transport
public import Wire

/// Brings snapshots from a store onto devices, verified, by the shortest way there is: by sharing what is resident, by
/// copying it, by bringing in what differs, or in full. Any task; several restores may run at once.
///
/// With several devices, regions with a shard axis are cut into equal parts, one a device in the order given, and the others
/// are held whole by each; on how many the snapshot was taken does not matter.
public final class Restorer: Sendable {
    /// Where snapshots come from.
    public let store: any SnapshotStore
    /// Where they go.
    public let devices: [any GPUContext]
    private let limits: Limits
    private let now_ns: @Sendable () -> UInt64
    private let state: Lock<State>

    private struct State {
        var bandwidths: Bandwidths
        var residents: [Weak] = []
        /// Manifests read before: reading one again takes longer than a small delta.
        var manifests: [SnapshotID: SnapshotManifest] = [:]
        var manifestChunkCount = 0
    }

    private struct Weak {
        weak var memory: ResidentMemory?
    }

    /// Restores from `store` onto `devices`; predictions begin with `bandwidths` and get better with each restore.
    public convenience init(
        store: any SnapshotStore, devices: [any GPUContext], bandwidths: Bandwidths = .standard,
        limits: Limits = .standard
    ) {
        self.init(
            store: store, devices: devices, bandwidths: bandwidths, limits: limits, now_ns: RestoreClock.now_ns)
    }

    init(
        store: any SnapshotStore, devices: [any GPUContext], bandwidths: Bandwidths = .standard,
        limits: Limits = .standard, now_ns: @escaping @Sendable () -> UInt64
    ) {
        self.store = store
        self.devices = devices
        self.limits = limits
        self.now_ns = now_ns
        state = Lock(State(bandwidths: bandwidths))
    }

    /// What predictions rest on now.
    public var bandwidths: Bandwidths { state.withLock { $0.bandwidths } }

    // MARK: Restoring

    /// What a restore would do and how long it would take. Nothing moves.
    ///
    /// - Throws: what would make the restore impossible, named and with a remedy.
    public func plan(
        _ snapshot: SnapshotID, _ options: RestoreOptions = RestoreOptions()
    ) async throws(RestoreError) -> RestorePlan {
        let prepared = try await prepare(snapshot, options)
        for resident in prepared.residents { resident.endReading() }
        return prepared.plan
    }

    /// Restores a snapshot and returns when all of it is verified in place.
    ///
    /// - Throws: a `RestoreError`; nothing is left on any device then.
    public func restore(
        _ snapshot: SnapshotID, _ options: RestoreOptions = RestoreOptions()
    ) async throws(RestoreError) -> Resident {
        if options.mayAttach, let resident = attach(snapshot) { return resident }
        return try await start(snapshot, options).resident()
    }

    /// Begins to restore a snapshot, so that its regions can be used one by one. Always into memory of its own.
    ///
    /// - Throws: what makes the restore impossible; nothing was moved then.
    public func start(
        _ snapshot: SnapshotID, _ options: RestoreOptions = RestoreOptions()
    ) async throws(RestoreError) -> Restore {
        let start_ns = now_ns()
        let prepared = try await prepare(snapshot, options)
        let planned_ns = now_ns()
        let plan = prepared.plan
        let memory: ResidentMemory
        do throws(RestoreError) {
            memory = try await ResidentMemory.make(plan.layout, devices)
        } catch {
            for resident in prepared.residents { resident.endReading() }
            throw error
        }
        let memory_ns = now_ns() - planned_ns
        let board = RestoreBoard(plan, now_ns: now_ns, progress: options.progress)
        let runner = RestoreRunner(
            plan: plan, sources: prepared.sources, memory: memory, residents: prepared.residents, board: board,
            options: options.resolved(for: plan), bringsHostPart: plan.bringsHostPart)
        let task = Task { () -> Result<Resident, RestoreError> in
            defer { for resident in prepared.residents { resident.endReading() } }
            do throws(RestoreError) {
                try await runner.run()
            } catch {
                await memory.giveBack()
                return .failure(error)
            }
            let report = self.report(
                plan, board, start_ns: start_ns, planned_ns: planned_ns, memory_ms: Double(memory_ns) / 1e6)
            return .success(self.register(memory, plan, report))
        }
        return Restore(plan, board, memory, task)
    }

    // MARK: Residents

    /// Shares a resident that holds the snapshot on these very devices already.
    private func attach(_ snapshot: SnapshotID) -> Resident? {
        let start_ns = now_ns()
        let (known, predicted_ms) = state.withLock { state in
            (
                state.residents.compactMap(\.memory),
                state.bandwidths.expected_ms(RestoreKind(.attach, .resident, size: 0, isOnHost: isOnHost), 0)
                    ?? state.bandwidths.fixed_ms[.attach] ?? 0
            )
        }
        guard let memory = known.first(where: { isHere($0) && $0.attach(snapshot) }) else { return nil }
        let ready_ms = Double(now_ns() - start_ns) / 1e6
        let report = RestoreReport(
            snapshot: snapshot, choice: .attach, ready_ms: ready_ms, firstRegion_ms: ready_ms, planned_ms: ready_ms,
            predicted_ms: predicted_ms, bytesByTier: TierBytes(), verifiedChunkCount: 0, incidents: [])
        state.withLock { $0.bandwidths.learn(from: report, isOnHost: isOnHost) }
        return Resident(counted: memory, self, report)
    }

    private var isOnHost: Bool { devices.allSatisfy { $0.device.id.kind == .host } }

    private func isHere(_ memory: ResidentMemory) -> Bool {
        memory.contexts.count == devices.count && zip(memory.contexts, devices).allSatisfy { $0 === $1 }
    }

    private func register(_ memory: ResidentMemory, _ plan: RestorePlan, _ report: RestoreReport) -> Resident {
        memory.set(.ready(plan.snapshot, plan.manifest))
        _ = memory.attach(plan.snapshot)
        state.withLock { state in
            state.residents.removeAll { $0.memory == nil }
            state.residents.append(Weak(memory: memory))
        }
        return Resident(counted: memory, self, report)
    }

    func forget(_ memory: ResidentMemory) {
        state.withLock { $0.residents.removeAll { $0.memory === memory || $0.memory == nil } }
    }

    /// Makes residents of another restorer known to this one, so that it can clone them onto its devices.
    public func learn(of resident: Resident) {
        state.withLock { state in
            guard !state.residents.contains(where: { $0.memory === resident.memory }) else { return }
            state.residents.append(Weak(memory: resident.memory))
        }
    }

    // MARK: Preparing

    private struct Prepared {
        var plan: RestorePlan
        var sources: ChunkSources
        /// Kept from changing; the caller ends that.
        var residents: [ResidentMemory]
    }

    /// `over` is what is in place already, and where, when the snapshot is to take its place.
    private func prepare(
        _ snapshot: SnapshotID, _ options: RestoreOptions, over base: (SnapshotManifest, ResidentLayout)? = nil
    ) async throws(RestoreError) -> Prepared {
        let sources: ChunkSources
        do throws(SnapshotError) {
            sources = try await ChunkSources.open(
                store, snapshot, knowing: state.withLock { $0.manifests[snapshot] },
                wanting: { Self.wanted($0, base?.0) })
            remember(sources.manifest, snapshot)
        } catch {
            throw RestoreError(error)
        }
        var input = RestorePlanner.Input(
            snapshot: snapshot, manifest: sources.manifest, devices: try await deviceStates(hasRoom: base != nil),
            tiers: [:], base: base?.0, baseLayout: base?.1, bandwidths: bandwidths)
        let residents = options.mayClone && base == nil ? beginReading(&input) : []
        do throws(RestoreError) {
            // What is cloned as a whole needs nothing of the stores but the host's part.
            let wanted =
                RestorePlanner.isClone(input)
                ? RestorePlanner.hostChunks(of: sources.manifest, over: nil) : Self.wanted(sources.manifest, base?.0)
            do throws(SnapshotError) { input.tiers = try await sources.tiers(of: wanted) } catch {
                throw RestoreError(error)
            }
            return Prepared(plan: try RestorePlanner.plan(input), sources: sources, residents: residents)
        } catch {
            for resident in residents { resident.endReading() }
            throw error
        }
    }

    /// Keeps all residents from changing, and tells the planner of them.
    private func beginReading(_ input: inout RestorePlanner.Input) -> [ResidentMemory] {
        var residents: [ResidentMemory] = []
        for memory in state.withLock({ $0.residents.compactMap(\.memory) }) {
            guard let content = memory.beginReading() else { continue }
            residents.append(memory)
            input.residents.append(
                RestorePlanner.KnownResident(
                    snapshot: content.id, manifest: content.manifest, devices: memory.contexts.map(\.device.id),
                    isReachable: isReachable(memory)))
        }
        return residents
    }

    /// Keeps a manifest for the next time; all are forgotten when they have too many chunks together.
    private func remember(_ manifest: SnapshotManifest, _ snapshot: SnapshotID) {
        let count = manifest.regions.reduce(1) { $0 + $1.content.chunks.count }
        let forgotten = state.withLock { state -> [SnapshotID: SnapshotManifest] in
            guard state.manifests[snapshot] == nil else { return [:] }
            var forgotten: [SnapshotID: SnapshotManifest] = [:]
            if state.manifestChunkCount + count > limits.rememberedChunkCount {
                swap(&forgotten, &state.manifests)
                state.manifestChunkCount = 0
            }
            state.manifests[snapshot] = manifest
            state.manifestChunkCount += count
            return forgotten
        }
        withExtendedLifetime(forgotten) {}  // freed after the lock is released
    }

    /// The chunks that matter: all, or those that a base does not have.
    private static func wanted(_ manifest: SnapshotManifest, _ base: SnapshotManifest?) -> [ChunkRef] {
        guard let base else { return manifest.distinctChunks }
        var wanted = Set(RestorePlanner.hostChunks(of: manifest, over: base).map(\.hash))
        for (region, after) in zip(base.regions, manifest.regions) {
            for (old, new) in zip(region.content.chunks, after.content.chunks) where old.hash != new.hash {
                wanted.insert(new.hash)
            }
        }
        return manifest.distinctChunks.filter { wanted.contains($0.hash) }
    }

    /// With `hasRoom`, how much memory is free does not matter and is not asked.
    private func deviceStates(hasRoom: Bool) async throws(RestoreError) -> [RestorePlanner.DeviceState] {
        var states: [RestorePlanner.DeviceState] = []
        for context in devices {
            do throws(DeviceError) {
                states.append(
                    RestorePlanner.DeviceState(
                        info: context.device, freeBytes: hasRoom ? .max : try await context.memoryUse().freeBytes,
                        driverVersion: (context as? CUDAContext)?.driver.version,
                        isHostVisible: context.device.id.kind == .host,
                        idle: hasRoom ? nil : (context as? HostContext)?.idlePages))
            } catch {
                throw RestoreError(error)
            }
        }
        return states
    }

    private func isReachable(_ memory: ResidentMemory) -> Bool {
        memory.contexts.allSatisfy { source in
            source.device.id.kind == .host || devices.allSatisfy { $0.device.id.kind == source.device.id.kind }
        }
    }

    private func report(
        _ plan: RestorePlan, _ board: RestoreBoard, start_ns: UInt64, planned_ns: UInt64, memory_ms: Double = 0
    ) -> RestoreReport {
        let end_ns = now_ns()
        let results = board.results
        let ms = { (time: UInt64) in Double(time - start_ns) / 1e6 }
        let report = RestoreReport(
            snapshot: plan.snapshot, choice: plan.choice, ready_ms: ms(end_ns),
            firstRegion_ms: ms(results.first_ns ?? end_ns), planned_ms: ms(planned_ns),
            predicted_ms: plan.predicted_ms, bytesByTier: results.bytes, verifiedChunkCount: results.verified,
            incidents: results.incidents, freshBytes: plan.freshBytes, memory_ms: memory_ms)
        state.withLock { $0.bandwidths.learn(from: report, isOnHost: plan.isOnHost) }
        return report
    }

    // MARK: Deltas

    /// See `Resident.switch`.
    func change(
        _ memory: ResidentMemory, to snapshot: SnapshotID, _ options: RestoreOptions
    ) async throws(RestoreError) -> RestoreReport {
        let start_ns = now_ns()
        let before = try memory.beginChange()
        let prepared: Prepared
        do throws(RestoreError) {
            prepared = try await prepare(snapshot, options, over: (before.manifest, memory.layout))
        } catch {
            memory.set(.ready(before.id, before.manifest))
            throw error.over(.untouched)
        }
        let planned_ns = now_ns()
        let board = RestoreBoard(prepared.plan, now_ns: now_ns, progress: options.progress)
        do throws(RestoreError) {
            try await run(prepared, memory, board, options)
        } catch {
            throw error.over(await putBack(memory, before, prepared.plan.manifest, board))
        }
        memory.set(.ready(snapshot, prepared.plan.manifest))
        return report(prepared.plan, board, start_ns: start_ns, planned_ns: planned_ns)
    }

    private func run(
        _ prepared: Prepared, _ memory: ResidentMemory, _ board: RestoreBoard, _ options: RestoreOptions
    ) async throws(RestoreError) {
        try await RestoreRunner(
            plan: prepared.plan, sources: prepared.sources, memory: memory, residents: [], board: board,
            options: options.resolved(for: prepared.plan), bringsHostPart: prepared.plan.bringsHostPart
        ).run()
    }

    /// Brings back the chunks that a failed delta may have overwritten, verified, whatever became of the caller's task.
    private func putBack(
        _ memory: ResidentMemory, _ before: (id: SnapshotID, manifest: SnapshotManifest), _ tried: SnapshotManifest,
        _ board: RestoreBoard
    ) async -> RestoreError.Base {
        guard board.isTouched else {
            memory.set(.ready(before.id, before.manifest))
            return .untouched
        }
        let failure = await Task { () -> RestoreError? in
            do throws(RestoreError) {
                let back = try await self.prepare(before.id, RestoreOptions(), over: (tried, memory.layout))
                let board = RestoreBoard(back.plan, now_ns: self.now_ns, progress: nil)
                try await self.run(back, memory, board, RestoreOptions())
            } catch {
                return error
            }
            return nil
        }.value
        guard let failure else {
            memory.set(.ready(before.id, before.manifest))
            return .putBack
        }
        memory.set(
            .lost(RestoreError(.residentLost, "a delta failed and its base could not be put back: \(failure)")))
        return .lost
    }
}
