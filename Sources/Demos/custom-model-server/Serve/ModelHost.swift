import CPosix
import Dispatch
import GPUServeKit
import ModelFiles
import Synchronization
import Tokens
import Transport
import Wire

/// The model's life in this process: in memory and running, or asleep, its weights, tokenizer and cache given back to the
/// machine, with the snapshot to wake from.
actor ModelHost {
    struct Settings: Sendable {
        var contextCount: Int
        var sequenceCount: Int
        var threadCount: Int
        /// Whether a request that finds the model asleep wakes it, or is told to come back.
        var wakesOnRequest = true
        /// The kernels of a device that is no host; nil computes on the host.
        var code: ModuleImage?
        var variants: VariantShelf.Settings
    }

    private struct Awake {
        let resident: Resident
        let model: ServedModel
        let onDevice: DeviceLlama?
    }

    nonisolated let settings: Settings
    nonisolated let store: ModelStore
    nonisolated let engine = Engine()
    private let name: String
    private var awake: Awake?
    private var shelf: VariantShelf?
    private var wakeCount = 0
    /// Sleeps and wakes, one after the other.
    private var lastChange: Task<Double, any Error>?

    init(name: String, _ store: ModelStore, _ settings: Settings) {
        (self.name, self.store, self.settings) = (name, store, settings)
    }

    /// The model, woken if it may be.
    ///
    /// - Throws: `asleep`, or what waking throws.
    func model() async throws -> ServedModel {
        while true {
            if let awake { return awake.model }
            guard settings.wakesOnRequest else {
                throw ModelError(.asleep, "The model is asleep; POST /wake on the admin socket wakes it.")
            }
            _ = try await wake()
        }
    }

    /// Begins to generate what `make` asks for, awake, with the weights of the variant in `name` at hand.
    ///
    /// - Throws: what `make`, waking and merging throw; `CompletionCall.Refusal`.
    nonisolated(nonsending) func generate(
        _ name: String?, _ make: (ServedModel, HeldWeights) throws -> GenerationRequest
    ) async throws -> AsyncStream<GenerationEvent> {
        while true {
            let model = try await model()
            let weights = try await model.variants.weights(of: ServedModel.variant(in: name))
            // It may have gone to sleep meanwhile.
            if let events = try engine.generate(try make(model, weights)) { return events }
        }
    }

    /// The variants; nil before the first wake.
    var variants: VariantShelf? { shelf }
    var isAwake: Bool { awake != nil }
    /// How the model came into memory.
    var report: RestoreReport? { awake?.resident.report }
    /// The snapshot whose weights are in memory.
    var weights: SnapshotID? { try? awake?.resident.snapshot() }

    // MARK: Sleep and wake

    /// Brings the model into memory from its snapshot; returns how long that took, 0 when it was there.
    func wake() async throws -> Double { try await change { host in try await host.load() } }

    /// Lets requests finish, then gives the memory back; returns how long the giving back took.
    ///
    /// - Throws: `badState` when there is no snapshot on disk to wake from.
    func sleep() async throws -> Double {
        guard store.disk != nil else {
            throw ModelError(.badState, "without --snapshot-store there is nothing to wake from")
        }
        return try await change { host in try await host.unload() }
    }

    private func change(_ body: @escaping @Sendable (isolated ModelHost) async throws -> Double) async throws -> Double
    {
        let change = Task { [lastChange] in
            _ = await lastChange?.result
            return try await body(self)
        }
        lastChange = change
        return try await change.value
    }

    private func load() async throws -> Double {
        guard awake == nil else { return 0 }
        let start_ns = EventLoop.clock_ns()
        let resident = try await store.restorer.restore(store.base)
        let restored_ns = EventLoop.clock_ns()
        let loaded =
            if settings.code == nil { try LoadedModel(resident) } else {
                try await LoadedModel(resident, on: store.device)
            }
        let context = min(settings.contextCount, loaded.shape.contextCount)
        let shelf = if let shelf { shelf } else { try await VariantShelf(settings.variants, store, loaded.shape) }
        self.shelf = shelf
        let (shape, weights, settings, counters) = (loaded.shape, loaded.weights, settings, engine.counters)
        var onDevice: DeviceLlama?
        if let code = settings.code {
            onDevice = try await DeviceLlama(
                shape, weights: weights, on: store.device, code: code, slotCount: settings.sequenceCount,
                contextCount: context)
        }
        // What the engine holds are pointers; `awake` keeps alive what they point into until the engine has stopped.
        engine.start(
            Engine.Model(
                make: { [onDevice] in
                    if let onDevice { return DeviceRunner(onDevice) }
                    let cache = KVCache(shape, slotCount: settings.sequenceCount, contextCount: context)
                    return Llama(shape, weights: weights, cache: cache, threadCount: settings.threadCount)
                },
                tokenizer: loaded.tokenizer, weights: store.base,
                switchTo: { [unowned resident] snapshot in
                    let ended = Blocking.run { [resident] in
                        counters.note(switch_ms: try await resident.switch(to: snapshot).ready_ms)
                    }
                    if case .failure(let error) = ended { return error }
                    return nil
                }))
        awake = Awake(
            resident: resident, model: ServedModel(name: name, loaded: loaded, variants: shelf, contextCount: context),
            onDevice: onDevice)
        let took_ms = Double(EventLoop.clock_ns() - start_ns) / 1e6
        if wakeCount > 0 {
            let report = resident.report
            Console.note(
                "woken in \(Waterfall.tenths(took_ms)) ms: plan \(Waterfall.tenths(report.planned_ms)), bytes and verify "
                    + "\(Waterfall.tenths(report.ready_ms - report.planned_ms)), tokenizer and engine "
                    + "\(Waterfall.tenths(Double(EventLoop.clock_ns() - restored_ns) / 1e6))")
        }
        wakeCount += 1
        return took_ms
    }

    private func unload() async throws -> Double {
        guard let last = awake else { return 0 }
        // From now on requests wait for this change to end, and then wake the model again.
        awake = nil
        await engine.stop()
        let start_ns = EventLoop.clock_ns()
        try await last.onDevice?.close()
        try await last.resident.close()
        try await shelf?.clear()
        // What was freed of small things stays with the heaps of the threads that took it, some MiB each.
        cposix_trim_heaps()
        return Double(EventLoop.clock_ns() - start_ns) / 1e6
    }
}

/// For threads of our own that wait for what is asynchronous; never for one that others' tasks run on.
enum Blocking {
    /// Returns when `body` has, with what it returned or threw.
    static func run<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) -> Result<Value, any Error> {
        let done = DispatchSemaphore(value: 0)
        let outcome = Lock<Result<Value, any Error>?>(nil)
        Task {
            let result: Result<Value, any Error>
            do { result = .success(try await body()) } catch { result = .failure(error) }
            outcome.withLock { $0 = result }
            done.signal()
        }
        done.wait()
        // Set before the signal.
        return outcome.withLock { $0 }!
    }
}
