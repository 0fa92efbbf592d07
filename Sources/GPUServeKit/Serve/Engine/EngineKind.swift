/// The engines that there is a recipe for.
public enum EngineKind: String, Sendable, Hashable, CaseIterable {
    /// llama.cpp's `llama-server`.
    case llamaCpp = "llama.cpp"
    /// vLLM, `vllm serve`.
    case vllm
    /// SGLang, `python3 -m sglang.launch_server`.
    case sglang
    /// Hugging Face's Text Generation Inference, `text-generation-launcher`.
    case tgi
    /// `transformers serve`.
    case transformers
    /// Any program that listens on a port; see `EngineRecipe.custom`.
    case custom
}

/// One call of an engine's own interface.
public struct EngineCall: Sendable, Hashable {
    /// `POST`, or `GET`.
    public var isPost: Bool
    /// Path and query.
    public var path: String
    /// A JSON body; empty for none.
    public var body: String

    /// A call.
    public init(_ path: String, body: String = "", isPost: Bool = true) {
        self.isPost = isPost
        self.path = path
        self.body = body
    }
}

/// What a deployment asks of an engine.
public struct EngineRequest: Sendable, Hashable {
    /// The name that clients write as `model`.
    public var name: String
    /// A file, a directory, or the name of a model on a hub, as the engine takes it.
    public var model: String
    /// The port to listen on, of 127.0.0.1.
    public var port: UInt16
    /// Requests at once.
    public var concurrency: Int
    /// Devices.
    public var gpuCount: Int
    /// A directory for snapshots of GPUServeKit.
    public var storePath: String
    /// What the user wrote behind `--`.
    public var extraArguments: [String]

    /// What a deployment asks of an engine.
    public init(
        name: String, model: String, port: UInt16, concurrency: Int, gpuCount: Int, storePath: String,
        extraArguments: [String] = []
    ) {
        self.name = name
        self.model = model
        self.port = port
        self.concurrency = concurrency
        self.gpuCount = gpuCount
        self.storePath = storePath
        self.extraArguments = extraArguments
    }
}
