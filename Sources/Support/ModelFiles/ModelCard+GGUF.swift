package import GPUServeKit
package import Tokens

extension ModelCard {
    /// - Throws: `unsupportedArchitecture` for anything but `llama`; `malformedMetadata`.
    package init(_ metadata: GGUFMetadata) throws(ModelError) {
        let architecture = metadata.string("general.architecture") ?? "none"
        guard architecture == "llama" else {
            throw ModelError(
                .unsupportedArchitecture, "the model's architecture is \(architecture); only llama is served here",
                at: metadata.offset("general.architecture"))
        }
        if let scaling = metadata.string("llama.rope.scaling.type"), scaling != "none" {
            throw ModelError(
                .unsupportedArchitecture, "rotary positions scaled by \(scaling) are not served here",
                at: metadata.offset("llama.rope.scaling.type"))
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
                "\(rotated) of a head's \(shape.headSize) elements are rotated; only whole heads are",
                at: metadata.offset("llama.rope.dimension_count"))
        }
        chatTemplate = metadata.string("tokenizer.chat_template")
    }
}

extension GGUFMetadata: ModelNumbers {}

extension Vocabulary {
    /// - Throws: naming the key or token that cannot be used, with its offset.
    package init(_ metadata: GGUFMetadata) throws(TokenizerError) {
        func key(_ name: String) -> String { "tokenizer.ggml.\(name)" }
        func bad(_ name: String, _ what: String) -> TokenizerError {
            TokenizerError("\(key(name)) \(what)", at: metadata.offset(key(name)))
        }
        let kind = metadata.string(key("model")) ?? "none"
        guard kind == "gpt2" else { throw bad("model", "is \(kind); only byte-level BPE (gpt2) is served here") }
        guard let tokens = metadata.strings(key("tokens")), !tokens.isEmpty else {
            throw bad("tokens", "is missing, or no list of texts")
        }
        guard let merges = metadata.strings(key("merges")) else {
            throw bad("merges", "is missing, or no list of texts")
        }
        var kinds = [Int](repeating: 1, count: tokens.count)
        if metadata.offset(key("token_type")) != nil {
            guard let list = metadata.integers(key("token_type")), list.count == tokens.count else {
                throw bad("token_type", "is no list of \(tokens.count) numbers, one for each token")
            }
            kinds = list
        }
        self.init()
        switch metadata.string(key("pre")) ?? "default" {
        case "smollm", "starcoder", "refact", "command-r": preTokenizer = .digitsApart
        case "gpt-2", "default", "mpt", "olmo": preTokenizer = .gpt2
        case let other: throw bad("pre", "is \(other), which is not served here; smollm and gpt-2 are")
        }
        for (id, range) in tokens.enumerated() {
            guard let kind = UInt8(exactly: kinds[id]).flatMap(TokenizerTables.Kind.init) else {
                throw bad("token_type", "has the unknown type \(kinds[id]) for token \(id)")
            }
            self.tokens.append(Token(metadata.header[range], kind, at: range.lowerBound))
        }
        for range in merges { self.merges.append(try Merge(metadata.header[range], at: range.lowerBound)) }
        func id(_ name: String) throws(TokenizerError) -> Int? {
            guard metadata.offset(key(name)) != nil else { return nil }
            guard let id = metadata.integer(key(name)), tokens.indices.contains(id) else {
                throw bad(name, "is no number of one of the \(tokens.count) tokens")
            }
            return id
        }
        (begin, end, unknown) = try (id("bos_token_id"), id("eos_token_id"), id("unknown_token_id"))
        addsBegin = metadata.bool(key("add_bos_token")) == true
    }
}
