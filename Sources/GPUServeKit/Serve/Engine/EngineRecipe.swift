/// All that is known of an engine: how it is started, when it is ready, how it sleeps, and what surprises.
///
/// Facts as of vLLM 0.33, SGLang 0.5.23, TGI 3 and llama.cpp of late 2026.
public struct EngineRecipe: Sendable {
    /// The engine.
    public var kind: EngineKind
    /// Programs to look for, in this order, when the deployment names none: in PATH, and beside this program.
    public var programs: [String]
    /// Words that come before all others, such as a subcommand.
    public var leadingArguments: [String] = []
    /// Variables set for the engine.
    public var environment: [String: String] = [:]
    /// The path that answers 200 once requests are taken.
    public var readyPath = "/health"
    /// What a start takes besides reading weights, as long as none was measured: as seen on two cores.
    public var standardStart_ms = 30_000
    /// The longest time to readiness, from nothing.
    public var readyLimit_ms = 600_000
    /// The engine's own sleep: calls in order; none when it has no such thing.
    public var sleepCalls: [EngineCall] = []
    /// The way back: calls in order. A wrong order is the commonest cause of gibberish after a wake.
    public var wakeCalls: [EngineCall] = []
    /// The ways of sleeping that the engine allows.
    public var tiers: [SleepTier] = [.suspended]
    /// Whether its event loop takes io_uring where there is one, which keeps it out of images: then it is to find none.
    public var avoidsIOUring = false
    /// Whether the model is asked for by the deployment's name; otherwise by what was given as `--model`.
    public var servesDeploymentName = true
    /// Whether `/v1/completions` is there for the canary; otherwise `/v1/chat/completions`.
    public var hasCompletions = true
    /// Counters of prompt and answer tokens at `/metrics`; a histogram's counts with `_sum`.
    public var tokenCounters: (prompt: String, answer: String)?
    /// Loads a LoRA adapter; `{name}` and `{path}` are filled in.
    public var loadAdapter: EngineCall?
    /// What one should know.
    public var traps: [String] = []

    init(_ kind: EngineKind, programs: [String]) {
        self.kind = kind
        self.programs = programs
    }

    /// The recipe of an engine.
    public static func of(_ kind: EngineKind) -> EngineRecipe {
        switch kind {
        case .llamaCpp: llamaCpp
        case .vllm: vllm
        case .sglang: sglang
        case .tgi: tgi
        case .transformers: transformers
        case .custom: custom
        }
    }

    /// The words behind the program.
    public func arguments(_ request: EngineRequest) -> [String] {
        let port = "\(request.port)"
        let own: [String]
        switch kind {
        case .llamaCpp:
            own = [
                "--model", request.model, "--host", "127.0.0.1", "--port", port, "--alias", request.name, "--parallel",
                "\(request.concurrency)", "--metrics",
            ]
        case .vllm:
            own =
                [request.model, "--host", "127.0.0.1", "--port", port, "--served-model-name", request.name]
                + (request.gpuCount > 0 ? ["--enable-sleep-mode"] : [])
                + (request.gpuCount > 1 ? ["--tensor-parallel-size", "\(request.gpuCount)"] : [])
        case .sglang:
            own =
                [
                    "--model-path", request.model, "--host", "127.0.0.1", "--port", port, "--served-model-name",
                    request.name, "--enable-memory-saver", "--enable-weights-cpu-backup", "--enable-metrics",
                ] + (request.gpuCount > 1 ? ["--tp", "\(request.gpuCount)"] : [])
        case .tgi:
            own =
                ["--model-id", request.model, "--hostname", "127.0.0.1", "--port", port]
                + (request.gpuCount > 1 ? ["--num-shard", "\(request.gpuCount)"] : [])
        case .transformers: own = ["--host", "127.0.0.1", "--port", port]
        case .custom where !request.extraArguments.isEmpty: own = []
        case .custom:
            own = [
                "--model", request.model, "--listen", "127.0.0.1:\(port)", "--name", request.name, "--sequences",
                "\(request.concurrency)", "--snapshot-store", request.storePath,
            ]
        }
        return leadingArguments + own + request.extraArguments.map { Self.filled($0, request) }
    }

    /// `{port}`, `{name}`, `{model}` and `{store}` in a custom server's words.
    static func filled(_ word: String, _ request: EngineRequest) -> String {
        var word = word
        let values = [
            ("{port}", "\(request.port)"), ("{name}", request.name), ("{model}", request.model),
            ("{store}", request.storePath),
        ]
        for (mark, value) in values {
            while let range = word.firstRange(of: mark) { word.replaceSubrange(range, with: value) }
        }
        return word
    }

    /// The value of an option, `--name value` or `--name=value`, among words for an engine; the first one counts.
    static func value(of names: [String], in words: [String]) -> String? {
        for (index, word) in words.enumerated() {
            let parts = word.split(separator: "=", maxSplits: 1).map { String($0) }
            guard let name = parts.first, names.contains(name) else { continue }
            if parts.count == 2 { return parts[1] }
            return words.indices.contains(index + 1) ? words[index + 1] : nil
        }
        return nil
    }

    /// Most requests that the engine is asked at once, beyond which they wait here; nil when it sees to that itself.
    ///
    /// llama.cpp's server has a thread for each connection, by default four more than it answers requests at once, and an idle connection
    /// keeps its thread for five seconds: whoever comes to more connections than threads waits as long. Two are left for the canary and
    /// for looking whether it lives.
    public func inFlightLimit(concurrency: Int, extraArguments: [String]) -> Int? {
        guard kind == .llamaCpp else { return nil }
        func number(_ names: [String]) -> Int? { Self.value(of: names, in: extraArguments).flatMap { Int($0) } }
        let slotCount = number(["--parallel", "-np"]) ?? concurrency
        let threadCount = number(["--threads-http"]).flatMap { $0 > 0 ? $0 : nil } ?? slotCount + 4
        return max(1, threadCount - 2)
    }

    /// Whether `model` is meant as a path of this machine, so that it must be there.
    public func takesPath(_ model: String) -> Bool {
        switch kind {
        case .llamaCpp: true
        case .custom: model.utf8.contains(UInt8(ascii: "/"))
        default: model.hasPrefix("/") || model.hasPrefix("./") || model.hasPrefix("../")
        }
    }
}
