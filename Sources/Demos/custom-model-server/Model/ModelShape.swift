import GPUServeKit

/// The numbers that fix a Llama model's form.
struct ModelShape: Sendable, Hashable {
    var layerCount: Int
    var width: Int
    var innerWidth: Int
    var headCount: Int
    var keyHeadCount: Int
    var headSize: Int
    var vocabularyCount: Int
    /// The most tokens a sequence may have.
    var contextCount: Int
    var ropeBase: Double
    var epsilon: Double

    /// Width of a token's keys, and of its values.
    var keyWidth: Int { keyHeadCount * headSize }
    /// Width of a token's queries.
    var queryWidth: Int { headCount * headSize }
}

extension ModelShape {
    /// - Throws: `unsupportedArchitecture` for anything but `llama`; `malformedMetadata` naming the key that is missing or
    ///   cannot be.
    init(_ metadata: GGUFMetadata) throws(ModelError) {
        let architecture = metadata.string("general.architecture") ?? "none"
        guard architecture == "llama" else {
            throw ModelError(
                .unsupportedArchitecture, "the model's architecture is \(architecture); only llama is served here")
        }
        func number(_ key: String, _ fallback: Int? = nil, limit: Int = 1 << 20) throws(ModelError) -> Int {
            guard let value = metadata.integer(key) ?? fallback else {
                throw ModelError(.malformedMetadata, "the file does not give \(key)")
            }
            guard value > 0, value <= limit else {
                throw ModelError(.malformedMetadata, "\(key) is \(value), not from 1 to \(limit)")
            }
            return value
        }
        layerCount = try number("llama.block_count", limit: 1024)
        width = try number("llama.embedding_length")
        innerWidth = try number("llama.feed_forward_length")
        headCount = try number("llama.attention.head_count", limit: 4096)
        keyHeadCount = try number("llama.attention.head_count_kv", headCount, limit: 4096)
        headSize = try number("llama.attention.key_length", width / headCount, limit: 1024)
        contextCount = try number("llama.context_length", limit: 1 << 24)
        vocabularyCount = try number(
            "llama.vocab_size", metadata.strings("tokenizer.ggml.tokens")?.count, limit: 1 << 22)
        ropeBase = metadata.float("llama.rope.freq_base") ?? 10_000
        epsilon = metadata.float("llama.attention.layer_norm_rms_epsilon") ?? 1e-5
        let rotated = metadata.integer("llama.rope.dimension_count") ?? headSize
        guard headCount % keyHeadCount == 0, headSize % 8 == 0, rotated == headSize else {
            throw ModelError(
                .unsupportedArchitecture,
                "\(headCount) heads over \(keyHeadCount) key heads of \(headSize), \(rotated) of them rotated: "
                    + "heads must be a multiple of key heads, and whole heads of a multiple of 8 rotated")
        }
        if let scaling = metadata.string("llama.rope.scaling.type"), scaling != "none" {
            throw ModelError(.unsupportedArchitecture, "rotary positions scaled by \(scaling) are not served here")
        }
    }
}
