/// How one replica lies on several devices. Pure.
public enum DeviceLayout: Sendable, Hashable {
    /// On the host, or on one device.
    case whole
    /// Every layer is cut into so many parts that work at once: heads are dealt out whole.
    case tensorParallel(Int)
    /// Whole layers are dealt out, and work one after the other.
    case layers(Int)

    /// How an engine uses so many devices.
    public init(_ engine: EngineKind, deviceCount: Int) {
        guard deviceCount > 1 else {
            self = .whole
            return
        }
        switch engine {
        case .vllm, .sglang, .tgi: self = .tensorParallel(deviceCount)
        case .llamaCpp, .transformers, .custom: self = .layers(deviceCount)
        }
    }

    /// What keeps a model from lying like that, in a sentence without the final stop; nil when nothing does, or when the
    /// model's shape is not known.
    public func problem(_ facts: ModelFacts) -> String? {
        switch self {
        case .whole: return nil
        case .tensorParallel(let count):
            if let heads = facts.headCount, heads % count != 0 {
                return "\(heads) heads do not divide over \(count) GPUs"
            }
            if let cached = facts.keyValueHeadCount, cached % count != 0, count % cached != 0 {
                return "\(cached) key-value heads can neither be dealt out over \(count) GPUs nor copied evenly"
            }
            return nil
        case .layers(let count):
            guard let layers = facts.layerCount, layers < count else { return nil }
            return "\(layers) layers do not fill \(count) GPUs"
        }
    }

    /// `tensor-parallel over 4`.
    public var text: String {
        switch self {
        case .whole: "in one piece"
        case .tensorParallel(let count): "tensor-parallel over \(count)"
        case .layers(let count): "layers dealt out over \(count)"
        }
    }
}
