import Tokens
import Wire

extension ModelCard {
    private static let configNames = ModelShape.Names(
        layers: "num_hidden_layers", width: "hidden_size", inner: "intermediate_size", heads: "num_attention_heads",
        keyHeads: "num_key_value_heads", headSize: "head_dim", vocabulary: "vocab_size",
        context: "max_position_embeddings", ropeBase: "rope_theta", epsilon: "rms_norm_eps")

    /// Reads a `config.json` as transformers write it.
    ///
    /// - Throws: `unsupportedArchitecture` for anything but a plain Llama, naming the setting; `malformedMetadata`; with offset.
    init(config: JSONValue, chatTemplate: String?) throws(ModelError) {
        let architectures = config["architectures"]?.elements?.compactMap(\.string) ?? []
        guard
            architectures.contains("LlamaForCausalLM")
                || architectures.isEmpty && config["model_type"]?.string == "llama"
        else {
            let named = architectures.first ?? config["model_type"]?.string ?? "none"
            throw ModelError(
                .unsupportedArchitecture, "the model's architecture is \(named); only LlamaForCausalLM is served here",
                at: config["architectures"]?.offset)
        }
        // What it is must be what is served, where it is said at all.
        let plain: [(key: String, isPlain: (JSONValue) -> Bool)] = [
            ("hidden_act", { $0.string == "silu" }), ("attention_bias", { $0.bool == false }),
            ("mlp_bias", { $0.bool == false }), ("quantization_config", { _ in false }),
            ("partial_rotary_factor", { $0.double == 1 }), ("rope_scaling", Self.isUnscaled),
            ("rope_parameters", Self.isUnscaled),
        ]
        for (key, isPlain) in plain {
            guard let value = config[key], !value.isNull, !isPlain(value) else { continue }
            throw ModelError(
                .unsupportedArchitecture, "\(key) is set to what is not served here", at: value.offset)
        }
        for key in Self.configNames.all {
            guard let value = config[key], !value.isNull, value.double == nil else { continue }
            throw ModelError(.malformedMetadata, "\(key) is \(value.kindName), not a number", at: value.offset)
        }
        shape = try ModelShape(
            Self.configNames, in: config, ropeBase: config["rope_parameters"]?["rope_theta"]?.double, epsilon: 1e-6)
        self.chatTemplate = chatTemplate
    }

    private static func isUnscaled(_ rope: JSONValue) -> Bool {
        (rope["rope_type"] ?? rope["type"])?.string == "default"
    }
}

extension Vocabulary {
    /// Takes the token that ends an answer from whichever of a folder's files says it, the strongest first: numbers of
    /// `generation_config.json` and `config.json`, the text of `tokenizer_config.json`.
    mutating func takeEnd(generation: JSONValue?, config: JSONValue, settings: JSONValue?) throws(TokenizerError) {
        for file in [generation, config] {
            guard let value = file?["eos_token_id"], !value.isNull else { continue }
            guard let id = (value.elements?.first ?? value).int, tokens.indices.contains(id) else {
                throw TokenizerError("eos_token_id is no number of one of the \(tokens.count) tokens", at: value.offset)
            }
            end = id
            return
        }
        guard let text = settings?["eos_token"], let token = (text["content"] ?? text).string else { return }
        end = tokens.firstIndex { $0.text.elementsEqual(token.utf8) }
    }
}
