extension EngineRecipe {
    static let llamaCpp: EngineRecipe = {
        var recipe = EngineRecipe(.llamaCpp, programs: ["llama-server"])
        recipe.standardStart_ms = 1_000
        recipe.readyLimit_ms = 300_000
        recipe.tiers = [.suspended, .processSnapshot]
        recipe.tokenCounters = ("llamacpp:prompt_tokens_total", "llamacpp:tokens_predicted_total")
        recipe.traps = [
            "prompt_tokens_total counts tokens computed, not those reused from the cache of an earlier prompt",
            "weights are mapped from the file: frozen, they stay in the page cache and cost others nothing",
            "its own --sleep-idle-seconds unloads the model behind our back; leave it off",
        ]
        return recipe
    }()

    static let vllm: EngineRecipe = {
        var recipe = EngineRecipe(.vllm, programs: ["vllm"])
        recipe.standardStart_ms = 50_000
        recipe.leadingArguments = ["serve"]
        recipe.environment = ["VLLM_SERVER_DEV_MODE": "1", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True"]
        recipe.readyLimit_ms = 1_800_000
        // Level 1 keeps the weights in host memory; level 2 would need reload_weights between the two wakes.
        recipe.sleepCalls = [EngineCall("/sleep?level=1")]
        recipe.wakeCalls = [EngineCall("/wake_up")]
        recipe.tiers = [.inPlace, .suspended, .processSnapshot]
        recipe.avoidsIOUring = true
        recipe.tokenCounters = ("vllm:prompt_tokens_total", "vllm:generation_tokens_total")
        recipe.loadAdapter = EngineCall(
            "/v1/load_lora_adapter", body: #"{"lora_name":"{name}","lora_path":"{path}"}"#)
        recipe.traps = [
            "the sleep endpoints exist only with VLLM_SERVER_DEV_MODE=1 and must not be reachable by clients",
            "a level-1 sleep pins host memory of the model's size; CUDA graphs stay on the device",
            "sleep mode needs CUDA: on a CPU only the deeper tiers are there",
            "its event loop (uvloop) takes io_uring, which CRIU cannot dump: it is started without",
            "without .pyc files a start takes 2 to 4 minutes instead of one",
        ]
        return recipe
    }()

    static let sglang: EngineRecipe = {
        var recipe = EngineRecipe(.sglang, programs: ["python3"])
        recipe.leadingArguments = ["-m", "sglang.launch_server"]
        recipe.environment = ["TORCHINDUCTOR_COMPILE_THREADS": "1"]
        recipe.readyLimit_ms = 1_800_000
        recipe.sleepCalls = [EngineCall("/release_memory_occupation", body: #"{"tags":["weights","kv_cache"]}"#)]
        recipe.wakeCalls = [EngineCall("/resume_memory_occupation", body: #"{"tags":["weights","kv_cache"]}"#)]
        recipe.tiers = [.inPlace, .suspended, .processSnapshot]
        recipe.avoidsIOUring = true
        recipe.tokenCounters = ("sglang:prompt_tokens_total", "sglang:generation_tokens_total")
        recipe.loadAdapter = EngineCall("/load_lora_adapter", body: #"{"lora_name":"{name}","lora_path":"{path}"}"#)
        recipe.traps = [
            "/health answers before a token can be made; /health_generate makes one, and counts as traffic",
            "memory is released only with --enable-memory-saver, and weights survive only with a CPU backup",
        ]
        return recipe
    }()

    static let tgi: EngineRecipe = {
        var recipe = EngineRecipe(.tgi, programs: ["text-generation-launcher"])
        recipe.readyLimit_ms = 1_800_000
        recipe.hasCompletions = false
        recipe.tokenCounters = ("tgi_request_input_length_sum", "tgi_request_generated_tokens_sum")
        recipe.traps = ["in maintenance mode; it has no sleep of its own", "it answers to any model name"]
        return recipe
    }()

    static let transformers: EngineRecipe = {
        var recipe = EngineRecipe(.transformers, programs: ["transformers"])
        recipe.standardStart_ms = 26_000
        recipe.leadingArguments = ["serve"]
        recipe.readyPath = "/v1/models"
        recipe.hasCompletions = false
        recipe.servesDeploymentName = false
        recipe.traps = [
            "the model is loaded at the first request, which the canary makes",
            "the request's model must be the directory: it is written into the body",
        ]
        return recipe
    }()

    /// A server of one's own. Without words behind `--` it is started as
    /// `PROGRAM --model M --listen 127.0.0.1:PORT --name NAME --sequences N --snapshot-store DIR`, which is what this package's
    /// `custom-model-server` takes; with them, as `PROGRAM WORDS` with `{port}`, `{name}`, `{model}` and `{store}` filled in.
    /// It must answer `GET /health` with 200 when it is ready, and OpenAI's completions.
    static let custom: EngineRecipe = {
        var recipe = EngineRecipe(.custom, programs: ["custom-model-server"])
        recipe.standardStart_ms = 500
        recipe.readyLimit_ms = 600_000
        recipe.tiers = [.suspended, .processSnapshot, .kitSnapshot]
        recipe.traps = ["the snapshot tier is there only for servers that take --snapshot-store"]
        return recipe
    }()
}
