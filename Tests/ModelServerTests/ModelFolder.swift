import GPUServeKit
import Glibc
import ModelFiles
import Tokens
import Wire

@testable import custom_model_server

/// `TinyModel` as Hugging Face lays models out, in a folder that goes away with the value.
final class ModelFolder {
    let path: String

    static let config =
        #"{"architectures":["LlamaForCausalLM"],"hidden_size":64,"intermediate_size":96,"num_hidden_layers":2,"#
        + #""num_attention_heads":4,"num_key_value_heads":2,"head_dim":null,"vocab_size":258,"hidden_act":"silu","#
        + #""max_position_embeddings":128,"rms_norm_eps":1e-5,"rope_theta":10000.0,"tie_word_embeddings":true,"#
        + #""eos_token_id":[257,256]}"#

    init(_ model: TinyModel = TinyModel(isQuantized: false)) {
        let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(base)/model-XXXXXX".utf8CString)
        precondition(mkdtemp(&template) != nil, "no scratch directory")
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        write("config.json", Self.config)
        write("tokenizer.json", Self.tokenizer())
        var tensors: [(name: String, shape: [Int], bytes: [UInt8])] = []
        for (region, bytes) in model.regions {
            let name = Self.name(region.name)
            tensors.append(
                (name, region.shape, TensorName.isTurned(region.name) ? Self.halves(bytes, region.shape) : bytes))
        }
        write("model.safetensors", Self.safetensors(tensors))
    }

    deinit {
        Self.remove(path)
    }

    private static func remove(_ path: String) {
        // A directory is not unlinked.
        guard unlink(path) != 0, let directory = opendir(path) else { return }
        var names: [String] = []
        while let entry = readdir(directory) {
            names.append(
                withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
        }
        closedir(directory)
        for name in names where name != "." && name != ".." { remove("\(path)/\(name)") }
        rmdir(path)
    }

    func write(_ name: String, _ text: String) { write(name, Array(text.utf8)) }

    func write(_ name: String, _ bytes: [UInt8]) {
        let stream = fopen("\(path)/\(name)", "w")
        precondition(stream != nil && fwrite(bytes, 1, bytes.count, stream) == bytes.count, "no scratch file")
        fclose(stream)
    }

    static func safetensors(_ tensors: [(name: String, shape: [Int], bytes: [UInt8])], dtype: String = "F32") -> [UInt8]
    {
        var (entries, data) = ([String](), [UInt8]())
        for tensor in tensors {
            let start = data.count
            data += tensor.bytes
            entries.append(
                #""\#(tensor.name)":{"dtype":"\#(dtype)","shape":\#(tensor.shape),"data_offsets":[\#(start),\#(data.count)]}"#
            )
        }
        let header = Array("{\(entries.joined(separator: ","))}".utf8)
        return (0..<8).map { UInt8(header.count >> (8 * $0) & 255) } + header + data
    }

    /// The bytes, a merge, and two marks.
    static func tokenizer(
        preTokenizer: String = #"{"type":"ByteLevel","add_prefix_space":false,"use_regex":true}"#,
        merges: String = "", added: String = "", more: String = ""
    ) -> String {
        let alphabet = ByteAlphabet()
        let words = (0..<256).map { byte in
            let text = String(decoding: alphabet.spelling(of: UInt8(byte)), as: UTF8.self)
            return "\(CompletionText.quoted(text)):\(byte)"
        }
        let marks = #"{"id":256,"content":"<s>","special":true},{"id":257,"content":"</s>","special":true}"#
        return #"{"added_tokens":[\#(marks)\#(added)],"normalizer":null,"pre_tokenizer":\#(preTokenizer),"#
            + #""model":{"type":"BPE","vocab":{\#(words.joined(separator: ","))},"merges":[\#(merges)]\#(more)}}"#
    }

    private static func name(_ gguf: String) -> String {
        let modules = TensorName.modules(layerCount: TinyModel.layerCount)
        return modules.first { TensorName.gguf(module: $0) == gguf }! + ".weight"
    }

    /// Rows as they are in such files: written anew, not with the code under test.
    private static func halves(_ bytes: [UInt8], _ shape: [Int]) -> [UInt8] {
        let (rowBytes, size) = (shape[1] * 4, TinyModel.width / TinyModel.heads)
        var out: [UInt8] = []
        for head in 0..<shape[0] / size {
            for place in Array(stride(from: 0, to: size, by: 2)) + Array(stride(from: 1, to: size, by: 2)) {
                let row = head * size + place
                out += bytes[row * rowBytes..<(row + 1) * rowBytes]
            }
        }
        return out
    }
}
