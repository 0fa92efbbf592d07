import GPUServeKit

extension ModelCard {
    /// - Throws: `unsupportedArchitecture` for anything but `llama`; `malformedMetadata`.
    init(_ metadata: GGUFMetadata) throws(ModelError) {
        let architecture = metadata.string("general.architecture") ?? "none"
        guard architecture == "llama" else {
            throw ModelError(
                .unsupportedArchitecture, "the model's architecture is \(architecture); only llama is served here")
        }
        if let scaling = metadata.string("llama.rope.scaling.type"), scaling != "none" {
            throw ModelError(.unsupportedArchitecture, "rotary positions scaled by \(scaling) are not served here")
        }
        let names = ModelShape.Names(
            layers: "llama.block_count", width: "llama.embedding_length", inner: "llama.feed_forward_length",
            heads: "llama.attention.head_count", keyHeads: "llama.attention.head_count_kv",
            headSize: "llama.attention.key_length", vocabulary: "llama.vocab_size", context: "llama.context_length",
            ropeBase: "llama.rope.freq_base", epsilon: "llama.attention.layer_norm_rms_epsilon")
        shape = try ModelShape(
            names, in: metadata, vocabularyCount: metadata.strings("tokenizer.ggml.tokens")?.count, epsilon: 1e-5)
        let rotated = metadata.integer("llama.rope.dimension_count") ?? shape.headSize
        guard rotated == shape.headSize else {
            throw ModelError(
                .unsupportedArchitecture,
                "\(rotated) of a head's \(shape.headSize) elements are rotated; only whole heads are")
        }
        chatTemplate = metadata.string("tokenizer.chat_template")
    }
}

extension GGUFMetadata: ModelFacts {}
