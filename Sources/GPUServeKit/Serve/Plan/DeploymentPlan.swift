/// What a deployment would take on a machine and how long it would take to be there, before anything is started. Pure.
public struct DeploymentPlan: Sendable, Hashable {
    /// Why it cannot be.
    public struct Refusal: Sendable, Hashable, CustomStringConvertible {
        /// The kind of reason: a small closed set.
        public enum Code: String, Sendable, Hashable, CaseIterable {
            /// The machine has fewer GPUs than were asked for.
            case tooFewGPUs = "too_few_gpus"
            /// The model cannot be cut into so many parts.
            case layoutImpossible = "layout_impossible"
            /// A part does not fit onto a GPU.
            case gpuTooSmall = "gpu_too_small"
            /// The host's memory, or what engines may have of it, is too small.
            case hostTooSmall = "host_too_small"
            /// All GPUs could hold it, what engines may have of them cannot.
            case overBudget = "over_budget"
        }

        /// The kind of reason.
        public var code: Code
        /// With the numbers and a way out, in a sentence without the final stop.
        public var detail: String

        /// `code: detail`.
        public var description: String { "\(code.rawValue): \(detail)" }
    }

    /// A time that was reckoned.
    public struct Prediction: Sendable, Hashable {
        /// The tier it comes back from; `cold` is a start from the model's files.
        public var tier: SleepTier
        /// Until the first token can be asked for.
        public var time_ms: Int
    }

    /// The deployment.
    public let spec: DeploymentSpec
    /// What is known of its model.
    public let facts: ModelFacts
    /// What a replica needs.
    public let need: MemoryNeed
    /// How it lies on its devices.
    public let layout: DeviceLayout
    /// The machine.
    public let machine: MachineMemory
    /// What all engines together may hold.
    public let budget: MemorySize
    /// How long it takes from each tier that it can have, the fastest first.
    public let predictions: [Prediction]
    /// Whether the times rest on bandwidths that were measured on this machine.
    public let isMeasured: Bool
    /// Why it cannot be; nil when it can.
    public let refusal: Refusal?

    /// Plans a deployment.
    ///
    /// - Parameters:
    ///   - bandwidths: of this machine; nil to reckon with `Bandwidths.standard`, which is said.
    ///   - start_ms: what such engines took on this machine to start, besides reading weights; nil for the recipe's figure.
    public init(
        _ spec: DeploymentSpec, _ facts: ModelFacts, on machine: MachineMemory, budget: MemorySize,
        bandwidths: Bandwidths? = nil, start_ms: Int? = nil
    ) {
        self.spec = spec
        self.facts = facts
        self.machine = machine
        self.budget = budget
        need = MemoryNeed(spec, facts)
        layout = DeviceLayout(spec.engine, deviceCount: spec.gpuCount)
        isMeasured = bandwidths != nil
        let recipe = EngineRecipe.of(spec.engine)
        predictions = Self.predictions(
            need, tiers: Deployment.tiers(recipe, spec), bandwidths ?? .standard, start_ms ?? recipe.standardStart_ms)
        refusal = Self.refusal(spec, facts, need, layout, machine, budget)
    }

    // MARK: Time

    /// Weights are read once and go onto all devices at the same time; an image of a process holds all that it had.
    private static func predictions(
        _ need: MemoryNeed, tiers: [SleepTier], _ bandwidths: Bandwidths, _ start_ms: Int
    ) -> [Prediction] {
        func moving_ms(_ byteCount: Int, _ rate: Double?) -> Double { Double(byteCount) / (rate ?? 1e9) * 1000 }
        let read_ms = moving_ms(need.weightBytes, bandwidths.bytesPerSecond[.disk])
        let cached_ms = moving_ms(need.weightBytes, bandwidths.bytesPerSecond[.pageCache])
        let upload_ms =
            need.deviceCount == 0
            ? 0 : moving_ms(need.weightBytes / need.deviceCount, bandwidths.upload_bytesPerSecond)
        return Set(tiers + [.cold]).sorted().map { tier in
            let time_ms: Double =
                switch tier {
                case .inPlace: canary_ms + upload_ms
                // The driver brings back all that the process had on its devices, and not the weights alone.
                case .suspended:
                    canary_ms
                        + (need.deviceCount == 0 ? 0 : moving_ms(need.bytesPerPlace, bandwidths.upload_bytesPerSecond))
                case .processSnapshot:
                    canary_ms + moving_ms(need.bytesPerPlace, bandwidths.bytesPerSecond[.pageCache])
                case .kitSnapshot: canary_ms + max(cached_ms, upload_ms)
                case .cold: canary_ms + Double(start_ms) + max(read_ms, upload_ms)
                }
            return Prediction(tier: tier, time_ms: Int(min(time_ms, 1e12)))
        }
    }

    /// A request and its answer, on whatever comes back.
    private static let canary_ms = 100.0

    // MARK: Room

    private static func refusal(
        _ spec: DeploymentSpec, _ facts: ModelFacts, _ need: MemoryNeed, _ layout: DeviceLayout,
        _ machine: MachineMemory, _ budget: MemorySize
    ) -> Refusal? {
        let size = need.size
        if spec.gpuCount > machine.devices.count {
            let why = machine.deviceProblem.map { " (\($0))" } ?? ""
            let has = machine.devices.isEmpty ? "none" : "\(machine.devices.count)"
            return Refusal(
                code: .tooFewGPUs,
                detail: "it needs \(spec.gpuCount) GPUs with \(MemorySize.text(need.bytesPerPlace)) each, and this "
                    + "machine has \(has)\(why)")
        }
        if let problem = layout.problem(facts) {
            let fitting = (1...64).filter { DeviceLayout(spec.engine, deviceCount: $0).problem(facts) == nil }
            return Refusal(
                code: .layoutImpossible,
                detail: "\(problem); counts that work: \(fitting.prefix(8).map { "\($0)" }.joined(separator: ", "))")
        }
        if spec.gpuCount > 0, let smallest = machine.devices.map(\.totalBytes).sorted().suffix(spec.gpuCount).first {
            let usable = Int(Double(smallest) * usableShare(spec))
            if need.bytesPerPlace > usable {
                return Refusal(
                    code: .gpuTooSmall,
                    detail: "it needs \(MemorySize.text(need.bytesPerPlace)) on each of \(spec.gpuCount) GPUs, and of "
                        + "the \(MemorySize.text(smallest)) of one the engine uses \(MemorySize.text(usable))"
                        + remedy(spec, facts, need, usable))
            }
        }
        if size.hostBytes > min(budget.hostBytes, machine.hostBytes) {
            return Refusal(
                code: .hostTooSmall,
                detail: "a replica needs about \(MemorySize.text(size.hostBytes)) of host memory, and all deployments "
                    + "together may have \(MemorySize.text(budget.hostBytes)) of the machine's "
                    + "\(MemorySize.text(machine.hostBytes)): a smaller model, or more --host-memory of gpuserve serve")
        }
        if size.gpuBytes > budget.gpuBytes {
            return Refusal(
                code: .overBudget,
                detail: "a replica needs about \(MemorySize.text(size.gpuBytes)) of GPU memory, and all deployments "
                    + "together may have \(MemorySize.text(budget.gpuBytes)): more --gpu-memory of gpuserve serve")
        }
        return nil
    }

    /// How much of a device engines take at most, unless they are told otherwise.
    private static func usableShare(_ spec: DeploymentSpec) -> Double {
        let (name, standard): (String, Double) =
            switch spec.engine {
            case .vllm: ("--gpu-memory-utilization", 0.9)
            case .sglang: ("--mem-fraction-static", 0.88)
            default: ("", 0.95)
            }
        let given = EngineRecipe.value(of: [name], in: spec.extraArguments).flatMap { Double($0) }
        return given.flatMap { (0.01...1).contains($0) ? $0 : nil } ?? standard
    }

    /// More devices, or a shorter context, if one of these would do.
    private static func remedy(
        _ spec: DeploymentSpec, _ facts: ModelFacts, _ need: MemoryNeed, _ usable: Int
    ) -> String {
        var ways: [String] = []
        let enough = (spec.gpuCount + 1...64).first { count in
            var more = spec
            more.gpuCount = count
            return DeviceLayout(spec.engine, deviceCount: count).problem(facts) == nil
                && MemoryNeed(more, facts).bytesPerPlace <= usable
        }
        if let enough { ways.append("it fits onto \(enough) of them") }
        if let perToken = facts.cacheBytesPerToken {
            let left = usable - need.bytesPerPlace + need.cacheBytes / need.cacheParts
            let tokens = left / max(1, perToken / need.cacheParts) / 1024 * 1024
            if tokens >= 1024, tokens < need.cacheTokens { ways.append("or with a context of \(tokens) tokens") }
        }
        return ways.isEmpty ? "" : "; \(ways.joined(separator: ", "))"
    }
}
