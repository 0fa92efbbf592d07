import Testing

@testable import GPUServeKit

/// What is known of a model before it runs.
@Suite struct ModelFactsTests {
    /// The shape of Llama 3.1 70B.
    static let large = """
        {"hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80, "num_attention_heads": 64,
        "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 131072, "torch_dtype": "bfloat16"}
        """

    @Test(arguments: [
        ("meta-llama/Llama-3.1-70B-Instruct", 140_000_000_000), ("Qwen3-0.6B", 1_200_000_000),
        ("SmolLM2-135M", 270_000_000), ("Mixtral-8x7B-v0.1", 112_000_000_000), ("Qwen3-32B-FP8", 33_920_000_000),
        ("llama-70b-awq", 39_200_000_000), ("70B", 140_000_000_000), ("gpt-2b-or-not-7B", 14_000_000_000),
    ]) func `a name tells the size`(name: String, bytes: Int) {
        #expect(ModelFacts.read(name: name) == ModelFacts(evidence: .name, weightBytes: bytes))
    }

    @Test(arguments: ["", "chat", "b", "model-v2", "1e9b", "0B", "9x9x9B", "1000000000B"])
    func `others tell nothing`(name: String) {
        #expect(ModelFacts.read(name: name) == ModelFacts(evidence: .none, weightBytes: 0))
    }

    @Test func `a configuration tells parameters and cache`() throws {
        let scratch = try ScratchDirectory()
        _ = scratch.write(Array(Self.large.utf8), "config.json")
        let facts = ModelFacts.read(scratch.path)
        #expect(facts.evidence == .configuration && facts.problem == nil)
        #expect((141_000_000_000...141_200_000_000).contains(facts.weightBytes), "\(facts.weightBytes)")
        #expect(facts.cacheBytesPerToken == 4 * 80 * 8 * 128)
        #expect(facts.contextTokens == 131_072)
    }

    @Test func `files tell more than the configuration, an index what is missing`() throws {
        let scratch = try ScratchDirectory()
        _ = scratch.write(Array(Self.large.utf8), "config.json")
        _ = scratch.write(ModelFileTests.good, "model-1.safetensors")
        #expect(ModelFacts.read(scratch.path).weightBytes == 40)
        let index = """
            {"metadata": {"total_size": 1000}, "weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
            """
        _ = scratch.write(Array(index.utf8), "model.safetensors.index.json")
        let facts = ModelFacts.read(scratch.path)
        #expect(facts.weightBytes == 1000 && facts.evidence == .configuration && facts.layerCount == 80)
        #expect(facts.problem == "1 of the 2 files that its index names are not there")
    }

    @Test func `a GGUF file tells its weights`() throws {
        let scratch = try ScratchDirectory()
        let facts = ModelFacts.read(scratch.write(ModelBytes.gguf(), "m.gguf"))
        #expect(facts == ModelFacts(evidence: .files, weightBytes: 102 + 8))
    }

    @Test func `what is damaged is named, and never a crash`() throws {
        let scratch = try ScratchDirectory()
        let facts = ModelFacts.read(scratch.write(ModelBytes.gguf(lie: "array"), "m-7B.gguf"))
        #expect(facts.evidence == .files && facts.weightBytes > 100 && facts.problem != nil)
        let number = "9223372036854775807"
        for text in [
            "", "[]", "{", #"{"hidden_size": -1}"#,
            Self.large.replacing("8192", with: number).replacing("28672", with: number),
            Self.large.replacing("80", with: number).replacing("64", with: "0"),
        ] {
            _ = scratch.write(Array(text.utf8), "config.json")
            _ = ModelFacts.read(scratch.path)
        }
    }

    @Test func `weights and cache divide over devices, what engines take besides does not`() {
        let facts = ModelFacts(
            evidence: .configuration, weightBytes: 141_000_000_000, layerCount: 80, headCount: 64,
            keyValueHeadCount: 8, headSize: 128, contextTokens: 131_072)
        var spec = DeploymentSpec(name: "x", engine: .vllm, model: "m", gpuCount: 4)
        let need = MemoryNeed(spec, facts)
        #expect(need.cacheBytes == 131_072 * 327_680)
        #expect(need.bytesPerPlace == 141_000_000_000 / 4 + 131_072 * 327_680 / 4 + 2_000_000_000)
        #expect(need.size.gpuBytes == 4 * need.bytesPerPlace)
        spec.extraArguments = ["--max-model-len", "8192"]
        #expect(MemoryNeed(spec, facts).cacheBytes == 8192 * 327_680)
        spec.extraArguments = ["--max-model-len=4096"]
        #expect(MemoryNeed(spec, facts).cacheBytes == 4096 * 327_680)
        spec.gpuCount = 16
        #expect(MemoryNeed(spec, facts).cacheParts == 8, "eight heads are not cut")
        spec.gpuCount = 0
        spec.memoryBytes = 5
        #expect(MemoryNeed(spec, facts).size == MemorySize(hostBytes: 5))
    }
}
