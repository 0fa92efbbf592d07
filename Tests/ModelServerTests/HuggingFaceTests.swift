import GPUServeKit
import ModelFiles
import Testing
import Tokens
import Wire

@testable import custom_model_server

/// Models as Hugging Face lays them out: the same tensors, card and tokens as in GGUF's form, and what is wrong is named.
struct HuggingFaceTests {
    @Test func tensorsAreThoseOfGGUFsFormWhereverAReadBeginsAndEnds() async throws {
        let model = TinyModel(isQuantized: false)
        let folder = ModelFolder(model)
        let source = try await ModelSource(path: folder.path)
        #expect(Set(source.regions.map(\.name)) == Set(model.regions.map(\.0.name) + [ModelSource.tokenizerRegion]))
        for (description, wanted) in model.regions {
            let index = try #require(source.regions.firstIndex { $0.name == description.name })
            #expect(source.regions[index].shape == description.shape)
            let isWhole = try await source.bytes(ofRegion: index) == wanted
            #expect(isWhole, "\(description.name)")
            for (start, count) in [(0, 1), (3, 4096), (4095, 700), (wanted.count - 5, 5)]
            where start + count <= wanted.count {
                let part = try await source.bytes(ofRegion: index, start..<start + count)
                let isSame = part == Array(wanted[start..<start + count])
                #expect(isSame, "\(description.name) \(start) \(count)")
            }
        }
        let card = try ModelCard(try #require(source.hostState))
        #expect(card.shape.headSize == 16 && card.shape.vocabularyCount == 258 && card.shape.ropeBase == 10_000)
        withExtendedLifetime(folder) {}
    }

    @Test(arguments: [
        ("LlamaForCausalLM", "GPTForCausalLM", "architecture is GPTForCausalLM"),
        (#""hidden_act":"silu""#, #""hidden_act":"gelu""#, "hidden_act is set to what is not served"),
        (#""head_dim":null"#, #""head_dim":"16""#, "head_dim is a string, not a number"),
        (#""head_dim":null"#, #""rope_scaling":{"type":"yarn"}"#, "rope_scaling is set"),
        (#""head_dim":null"#, #""rope_parameters":{"rope_type":"default","rope_theta":-1}"#, "rope_theta is -1"),
        (#""head_dim":null"#, #""attention_bias":true"#, "attention_bias is set"),
        (#""head_dim":null"#, #""quantization_config":{"bits":4}"#, "quantization_config is set"),
        (#""hidden_size":64,"#, "", "hidden_size is missing"),
        (#""num_key_value_heads":2"#, #""num_key_value_heads":3"#, "4 heads over 3 key heads"),
        (#""eos_token_id":[257,256]"#, #""eos_token_id":258"#, "eos_token_id is no number of one of the 258 tokens"),
        (#""vocab_size":258"#, #""vocab_size":257"#, "token's number is not from 0 to 256"),
        (#""tie_word_embeddings":true"#, #""tie_word_embeddings":false"#, "no tensor lm_head.weight"),
        (#""num_hidden_layers":2"#, #""num_hidden_layers":3"#, "no tensor model.layers.2."),
        (
            #""intermediate_size":96"#, #""intermediate_size":128"#,
            "mlp.gate_proj.weight has the shape [96, 64], not [128, 64]"
        ),
        (#""rms_norm_eps":1e-5"#, #""rms_norm_eps":1e-5,,"#, "not JSON"),
    ])
    func mistakesInTheConfigurationAreNamed(_ old: String, _ new: String, _ words: String) async {
        let folder = ModelFolder()
        folder.write("config.json", ModelFolder.config.replacing(old, with: new))
        await expect(words, of: folder)
    }

    @Test(arguments: [
        (ModelFolder.tokenizer(preTokenizer: #"{"type":"Split"}"#), "the pre-tokenizer [\"Split\"] is not served"),
        (
            ModelFolder.tokenizer(preTokenizer: #"{"type":"ByteLevel","add_prefix_space":true}"#),
            "without a prefix space"
        ),
        (ModelFolder.tokenizer(merges: #""ab""#), "not two tokens and a space"),
        (ModelFolder.tokenizer(merges: #""a b""#), "merge 0 needs the token 'ab', which is not there"),
        (ModelFolder.tokenizer(merges: "[1]"), "neither text nor two texts"),
        (ModelFolder.tokenizer(added: #",{"id":256,"content":"x"}"#), "two tokens have the number 256"),
        (ModelFolder.tokenizer(added: #",{"id":-1,"content":"x"}"#), "number is not from 0 to 257"),
        (ModelFolder.tokenizer(added: #",{"id":9}"#), "has no content"),
        (ModelFolder.tokenizer(more: #","byte_fallback":true"#), "model.byte_fallback is not served"),
        (ModelFolder.tokenizer(more: #","unk_token":"none""#), "model.unk_token is no token"),
        (#"{"model":{"type":"Unigram"}}"#, "model.type is not BPE"), (#"{"version":"1.0"}"#, "model is missing"),
        (ModelFolder.tokenizer() + "x", "not JSON"),
    ])
    func mistakesInTheTokenizerAreNamedWithTheirPlace(_ text: String, _ words: String) async {
        let folder = ModelFolder()
        folder.write("tokenizer.json", text)
        let error = await expect(words, of: folder)
        #expect(error.contains("tokenizer.json") && error.contains("at byte"), "\(error)")
    }

    @Test func tensorsThatDoNotBelongAreNamed() async {
        let bytes = [UInt8](repeating: 0, count: 64)
        for (name, dtype, words) in [
            ("model.layers.0.self_attn.q_proj.bias", "F32", "q_proj.bias is none of a Llama model"),
            ("model.norm.weight", "I8", "no tensor lm_head"), ("a/b", "F32", "a/b"),
        ] {
            let folder = ModelFolder()
            folder.write("config.json", ModelFolder.config.replacing(#""tie_word_embeddings":true,"#, with: ""))
            let shape = dtype == "I8" ? [64] : [16]
            folder.write("model.safetensors", ModelFolder.safetensors([(name, shape, bytes)], dtype: dtype))
            await expect(dtype == "I8" ? "no tensor model.embed_tokens.weight" : words, of: folder)
        }
        let missing = ModelFolder()
        await expect("No such file", of: missing.path + "/none")
    }

    @Test func addedTokensStandForThemselvesAndABeginningIsAdded() throws {
        let begin = #"{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}}]}"#
        let added = #",{"id":258,"content":"ab"},{"id":259,"content":"abc","special":false}"#
        let text = ModelFolder.tokenizer(added: added).dropLast() + #","post_processor":\#(begin)}"#
        let vocabulary = try Vocabulary(tokenizerJSON: Array(text.utf8), count: 262, limits: .standard)
        try TokenizerTests.with(try vocabulary.tables()) { tokenizer in
            #expect(tokenizer.encode("xabcab") == [120, 259, 258])
            #expect(tokenizer.decode([259, 258, 261]) == "abcab")
            #expect(tokenizer.encode("<s>").count == 3 && tokenizer.control("<s>") == 256)
            #expect(tokenizer.tables.beginToken == 256)
        }
    }

    @discardableResult
    private func expect(_ words: String, of folder: ModelFolder) async -> String {
        defer { withExtendedLifetime(folder) {} }
        return await expect(words, of: folder.path)
    }

    @discardableResult
    private func expect(_ words: String, of path: String) async -> String {
        do {
            try Weights.check(try await ModelSource(path: path))
            Issue.record("nothing was refused, and '\(words)' was to be")
            return ""
        } catch {
            let text = "\(error)"
            #expect(text.contains(words), "\(text)")
            return text
        }
    }
}
