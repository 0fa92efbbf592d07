public import Wire

/// What a pool's contexts are and what is made on them before anyone asks.
public struct ContextRecipe: Sendable {
    /// Makes a bare context.
    public var make: @Sendable () async throws(DeviceError) -> any GPUContext
    /// Streams made on each.
    public var streamCount = 2
    /// Modules loaded on each, in this order.
    public var modules: [ModuleImage] = []
    /// Slots of the staging pool of each, and how long they are; 0 for none.
    public var stagingSlotCount = 0
    /// See `stagingSlotCount`.
    public var stagingSlotBytes = 8 * 1024 * 1024
    /// Memory made present on each for the first arena; hosts keep it, for GPUs it only shows that it is there.
    public var arenaBytes = 0

    /// A recipe with two streams and nothing else; set what it lacks.
    public init(make: @escaping @Sendable () async throws(DeviceError) -> any GPUContext) { self.make = make }

    /// Contexts on a host.
    public static func host(pool: HostMemoryPool = .shared, limits: Limits = .standard) -> ContextRecipe {
        ContextRecipe { () async throws(DeviceError) -> any GPUContext in try HostContext(pool: pool, limits: limits) }
    }

    /// Contexts on a GPU.
    public static func cuda(_ driver: CUDADriver, ordinal: Int = 0, limits: Limits = .standard) -> ContextRecipe {
        ContextRecipe { () async throws(DeviceError) -> any GPUContext in
            try await CUDAContext.make(driver: driver, ordinal: ordinal, limits: limits)
        }
    }

    /// Makes one context with everything on it, or nothing.
    func prepare() async throws(DeviceError) -> WarmContext {
        let context = try await make()
        do throws(DeviceError) {
            var streams: [DeviceStream] = []
            for _ in 0..<streamCount { streams.append(try await context.makeStream()) }
            var loaded: [DeviceModule] = []
            for module in modules { loaded.append(try await context.load(module)) }
            if stagingSlotCount > 0 {
                try await context.prepareStaging(slotBytes: stagingSlotBytes, count: stagingSlotCount)
            }
            if arenaBytes > 0 { try await context.free(context.makeArena(byteCount: arenaBytes)) }
            return WarmContext(context: context, streams: streams, modules: loaded)
        } catch {
            try? await context.close()
            throw error
        }
    }
}

/// A context with what its recipe made on it.
public struct WarmContext: Sendable {
    /// The context.
    public let context: any GPUContext
    /// As many as the recipe says.
    public let streams: [DeviceStream]
    /// In the recipe's order.
    public let modules: [DeviceModule]
}

/// Contexts made before they are needed: making one takes from milliseconds (a host) to seconds (a GPU's first), handing
/// one out takes microseconds.
///
/// A context that comes back is asked whether it still works and is replaced when it does not. Memory belongs to its
/// buffers, not to the lease: free them before giving the context back.
public actor ContextPool {
    private let recipe: ContextRecipe
    private var state: ContextPoolState
    private var contexts: [ContextPoolState.Slot: WarmContext] = [:]
    private var continuations: [ContextPoolState.Waiter: CheckedContinuation<Result<Int, DeviceError>, Never>] = [:]
    private var nextWaiter: UInt64 = 0
    private var lastFailure: DeviceError?

    /// A pool of `count` contexts, none of them made yet.
    ///
    /// - Throws: `limitReached` past `Limits.devicePoolContextCount`, `invalidArgument` below 1.
    public init(_ recipe: ContextRecipe, count: Int, limits: Limits = .standard) throws(DeviceError) {
        guard count > 0 else { throw DeviceError(.invalidArgument, "a pool of \(count) contexts") }
        guard count <= limits.devicePoolContextCount else {
            throw DeviceError(
                .limitReached, "a pool of \(count) contexts; at most \(limits.devicePoolContextCount) are allowed")
        }
        self.recipe = recipe
        state = ContextPoolState(slotCount: count, waiterLimit: limits.devicePoolWaiterCount)
    }

    /// How many contexts are ready now.
    public var warmCount: Int { state.warmCount }
    /// How many are in use now.
    public var leasedCount: Int { state.leasedCount }
    /// What making a context last failed with; nil once one was made.
    public var failure: DeviceError? { lastFailure }

    /// Starts making every context that is missing, and returns at once.
    public func fill() { perform(state.fill()) }

    /// A warm context at once, or the next that becomes free, first come first served.
    ///
    /// - Throws: what making one failed with when there is no other; `limitReached`, `closed`, `cancelled`.
    public func take() async throws(DeviceError) -> ContextLease {
        nextWaiter += 1
        let waiter = nextWaiter
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                continuations[waiter] = continuation
                perform(state.take(waiter))
            }
        } onCancel: {
            Task { await self.cancel(waiter) }
        }
        let slot = try result.get()
        guard let warm = contexts[slot] else { preconditionFailure("a slot is handed out with its context") }
        return ContextLease(warm: warm, slot: slot, pool: self)
    }

    /// Ends the pool: who waits is refused, warm contexts are closed, leased ones when they come back.
    public func close() { perform(state.close()) }

    private func cancel(_ waiter: ContextPoolState.Waiter) { perform(state.cancel(waiter)) }

    /// A lease ended.
    func giveBack(_ slot: ContextPoolState.Slot) async {
        var isGood = false
        if let warm = contexts[slot] { isGood = (try? await warm.context.memoryUse()) != nil }
        perform(state.giveBack(slot, isGood: isGood))
    }

    private func perform(_ actions: [ContextPoolState.Action]) {
        for action in actions {
            switch action {
            case .make(let slot): Task { await make(slot) }
            case .hand(let waiter, let slot): resume(waiter, .success(slot))
            case .refuse(let waiter, let error): resume(waiter, .failure(error))
            case .end(let slot):
                guard let ended = contexts.removeValue(forKey: slot) else { continue }
                Task { try? await ended.context.close() }
            }
        }
    }

    private func resume(_ waiter: ContextPoolState.Waiter, _ result: Result<Int, DeviceError>) {
        continuations.removeValue(forKey: waiter)?.resume(returning: result)
    }

    private func make(_ slot: ContextPoolState.Slot) async {
        do throws(DeviceError) {
            contexts[slot] = try await recipe.prepare()
            lastFailure = nil
            perform(state.made(slot))
        } catch {
            lastFailure = error
            perform(state.failed(slot, error))
        }
    }
}

/// A context of a pool, for one user. Dropping it gives it back.
public struct ContextLease: ~Copyable, Sendable {
    /// The context and what is made on it.
    public let warm: WarmContext
    private let slot: ContextPoolState.Slot
    private let pool: ContextPool

    init(warm: WarmContext, slot: ContextPoolState.Slot, pool: ContextPool) {
        self.warm = warm
        self.slot = slot
        self.pool = pool
    }

    deinit {
        let (slot, pool) = (slot, pool)
        Task { await pool.giveBack(slot) }
    }
}
