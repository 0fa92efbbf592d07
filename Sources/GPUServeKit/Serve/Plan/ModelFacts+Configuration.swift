internal import Wire

extension ModelFacts {
    /// The shape in a `config.json` of Hugging Face's transformers, and the number of parameters that a decoder of that shape
    /// has: attention, three feed-forward matrices (for each expert, if there are some), and the vocabulary.
    init(configuration whole: JSONValue) {
        self.init(evidence: .none, weightBytes: 0)
        // Models that also see keep their text part's shape one level down.
        let config = whole["text_config"] ?? whole
        func number(_ key: String) -> Int? { Self.plausible(config[key]?.int) }
        layerCount = number("num_hidden_layers")
        headCount = number("num_attention_heads")
        keyValueHeadCount = number("num_key_value_heads") ?? headCount
        headSize = number("head_dim") ?? Self.quotient(number("hidden_size"), headCount)
        contextTokens = number("max_position_embeddings")
        guard let layers = layerCount, let heads = headCount, let cached = keyValueHeadCount,
            let size = headSize, let hidden = number("hidden_size"), let inner = number("intermediate_size"),
            let words = number("vocab_size")
        else { return }
        let attention = 2 * Double(hidden) * Double(size) * Double(heads + cached)
        let experts = Double(number("num_local_experts") ?? number("num_experts") ?? 1)
        let expert = 3 * Double(hidden) * Double(number("moe_intermediate_size") ?? inner)
        let isTied = config["tie_word_embeddings"]?.bool ?? false
        let parameters =
            Double(layers) * (attention + experts * expert) + Double(words) * Double(hidden) * (isTied ? 1 : 2)
        let bits = Self.plausible(whole["quantization_config"]?["bits"]?.int)
        let method = whole["quantization_config"]?["quant_method"]?.string ?? ""
        let type = whole["torch_dtype"]?.string ?? whole["dtype"]?.string ?? config["torch_dtype"]?.string
        let bytes = bits.map { Double($0) / 8 } ?? (method.contains("fp8") ? 1 : type == "float32" ? 4 : 2)
        guard parameters * bytes < 1e16 else { return }
        (evidence, weightBytes) = (.configuration, Int(parameters * bytes))
    }

    /// Numbers from a stranger's file are multiplied with each other: what no model has is not known.
    static func plausible(_ value: Int?, most: Int = 1_000_000_000) -> Int? {
        value.flatMap { (1...most).contains($0) ? $0 : nil }
    }

    static func quotient(_ whole: Int?, _ part: Int?) -> Int? {
        guard let whole, let part, whole % part == 0 else { return nil }
        return whole / part
    }
}
