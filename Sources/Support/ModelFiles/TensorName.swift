/// What a Llama model's tensors are called: in Hugging Face's files and PEFT's one way, in GGUF files and here another.
package enum TensorName {
    private static let matrices = [
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    ]
    private static let norms = ["input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"]
    private static let outer = [
        "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
    ]

    /// `blk.7.attn_v.weight` for `model.layers.7.self_attn.v_proj`; nil when a Llama model has no such tensor.
    package static func gguf(module: String) -> String? {
        if let name = outer[module] { return name + ".weight" }
        let parts = module.split(separator: ".", maxSplits: 3).map { String($0) }
        guard parts.count == 4, parts[0] == "model", parts[1] == "layers", let layer = Int(parts[2]),
            let kind = matrices[parts[3]] ?? norms[parts[3]]
        else { return nil }
        return "blk.\(layer).\(kind).weight"
    }

    /// Every module of a model, but for an output matrix of its own.
    package static func modules(layerCount: Int) -> [String] {
        let kinds = (matrices.merging(norms) { $1 }).keys.sorted()
        return ["model.embed_tokens", "model.norm"]
            + (0..<layerCount).flatMap { layer in kinds.map { "model.layers.\(layer).\($0)" } }
    }

    /// Whether positions turn what comes of the matrix: queries and keys.
    package static func isTurned(_ gguf: String) -> Bool {
        gguf.hasSuffix(".attn_q.weight") || gguf.hasSuffix(".attn_k.weight")
    }

    /// Where Hugging Face's files have the row that is row `row` of a turned matrix here: there the two elements of a pair lie
    /// half a head apart, here they are neighbours.
    package static func halvesRow(_ row: Int, headSize: Int) -> Int {
        let (head, place) = row.quotientAndRemainder(dividingBy: headSize)
        return head * headSize + place % 2 * (headSize / 2) + place / 2
    }
}
