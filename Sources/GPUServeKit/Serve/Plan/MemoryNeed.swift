/// The memory that one replica of a deployment takes, reckoned before it was ever up. Pure.
///
/// Weights are known or read off the name; the cache follows from the model's shape. What engines take besides is assumed:
/// see `runtimeBytes`. All of it gives way to what is measured once an engine is up.
public struct MemoryNeed: Sendable, Hashable {
    /// Devices that share the weights; 0 for the host alone.
    public var deviceCount: Int
    /// Bytes of all weights.
    public var weightBytes: Int
    /// Tokens that the cache is reckoned for.
    public var cacheTokens: Int
    /// Bytes of the whole cache; 0 when the model's shape is not known.
    public var cacheBytes: Int
    /// What the engine takes besides, on each device or on the host: libraries, work space, recorded kernels. Assumed.
    public var runtimeBytes: Int
    /// How many devices the cache divides over: heads that are remembered are not cut.
    public var cacheParts: Int

    /// Reckons what a deployment needs.
    public init(_ spec: DeploymentSpec, _ facts: ModelFacts) {
        deviceCount = spec.gpuCount
        reservedBytes = spec.memoryBytes
        weightBytes = facts.weightBytes
        let known = facts.contextTokens ?? Self.assumedTokens
        cacheTokens = Self.tokens(spec.extraArguments) ?? (spec.gpuCount == 0 ? min(known, Self.assumedTokens) : known)
        cacheParts = max(1, min(spec.gpuCount, facts.keyValueHeadCount ?? spec.gpuCount))
        let cache = Double(facts.cacheBytesPerToken ?? 0) * Double(cacheTokens)
        cacheBytes = cache < 1e16 ? Int(cache) : 0
        let isLarge = [.vllm, .sglang, .tgi, .transformers].contains(spec.engine)
        runtimeBytes =
            spec.gpuCount > 0 ? (isLarge ? 2_000_000_000 : 500_000_000) : isLarge ? 2_000_000_000 : 60_000_000
    }

    /// Tokens when neither the model nor the deployment says: what llama.cpp takes then.
    public static let assumedTokens = 4096

    /// Bytes on the fullest device; on the host when there is none.
    public var bytesPerPlace: Int {
        let parts = max(1, deviceCount)
        return (weightBytes + parts - 1) / parts + (cacheBytes + cacheParts - 1) / cacheParts + runtimeBytes
    }

    /// Host memory that was said to be reserved for each replica; nil when nobody said.
    public var reservedBytes: Int?

    /// All of it, for the budget.
    public var size: MemorySize {
        if let reservedBytes, deviceCount == 0 { return MemorySize(hostBytes: reservedBytes) }
        guard deviceCount > 0 else { return MemorySize(hostBytes: bytesPerPlace) }
        // Engines on devices keep little more than their libraries on the host once the weights have gone through it.
        return MemorySize(hostBytes: Self.hostBytesBesideDevices, gpuBytes: bytesPerPlace * deviceCount)
    }

    private static let hostBytesBesideDevices = 2_000_000_000

    /// The longest sequence that the words behind `--` ask for, in the spelling of any engine.
    private static func tokens(_ words: [String]) -> Int? {
        let names = ["--ctx-size", "-c", "--max-model-len", "--context-length", "--max-total-tokens"]
        let count = EngineRecipe.value(of: names, in: words).flatMap { Int($0) }
        return count.flatMap { (1...1_000_000_000).contains($0) ? $0 : nil }
    }
}
