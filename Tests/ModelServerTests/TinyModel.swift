import CModelKernels
import GPUServeKit
import Glibc
import ModelFiles
import Tokens

@testable import custom_model_server

/// A Llama model of two layers with random weights: values in Q4_1 when it is quantized, all else in F32. The vocabulary is the bytes and two marks.
struct TinyModel {
    static let layerCount = 2
    static let (width, inner, heads, keyHeads, tokens, context) = (64, 96, 4, 2, 258, 128)
    static var keyWidth: Int { width / heads * keyHeads }

    var regions: [(RegionDescription, [UInt8])] = []

    init(isQuantized: Bool = true) {
        var random = Generator(state: 1)
        func add(_ name: String, _ rows: Int, _ columns: Int, _ bytes: [UInt8], _ type: String = "F32") {
            let shape = rows == 1 ? [columns] : [rows, columns]
            regions.append(
                (RegionDescription(name: name, dtype: DataType(type), shape: shape, byteCount: bytes.count), bytes))
        }
        func matrix(_ name: String, _ rows: Int, _ columns: Int) {
            // The two marks are all zeros, so that they are hardly ever chosen and an answer does not end at once.
            let rest = name == "token_embd.weight" ? 256 * columns : rows * columns
            add(name, rows, columns, Self.bytes((0..<rows * columns).map { $0 < rest ? random.float() * 0.2 : 0 }))
        }
        func norm(_ name: String) { add(name, 1, Self.width, Self.bytes([Float](repeating: 1, count: Self.width))) }
        matrix("token_embd.weight", Self.tokens, Self.width)
        norm("output_norm.weight")
        for layer in 0..<Self.layerCount {
            norm("blk.\(layer).attn_norm.weight")
            norm("blk.\(layer).ffn_norm.weight")
            matrix("blk.\(layer).attn_q.weight", Self.width, Self.width)
            matrix("blk.\(layer).attn_k.weight", Self.keyWidth, Self.width)
            matrix("blk.\(layer).attn_output.weight", Self.width, Self.width)
            matrix("blk.\(layer).ffn_gate.weight", Self.inner, Self.width)
            matrix("blk.\(layer).ffn_up.weight", Self.inner, Self.width)
            matrix("blk.\(layer).ffn_down.weight", Self.width, Self.inner)
            guard isQuantized else {
                matrix("blk.\(layer).attn_v.weight", Self.keyWidth, Self.width)
                continue
            }
            // Blocks of a scale, a least value (both some hundredths) and 32 quants.
            var blocks: [UInt8] = []
            for _ in 0..<Self.keyWidth * Self.width / 32 {
                blocks += [0, 0x24, 0, 0xA8]
                for _ in 0..<16 { blocks.append(UInt8(truncatingIfNeeded: random.next())) }
            }
            add("blk.\(layer).attn_v.weight", Self.keyWidth, Self.width, blocks, "Q4_1")
        }
    }

    /// The model as a snapshot, and its device.
    func stored() async throws -> ModelStore {
        let metadata = try GGUFMetadata(header: Self.header())
        let tables = try Vocabulary(metadata).tables()
        let region = RegionDescription(
            name: ModelSource.tokenizerRegion, dtype: .bytes, shape: [tables.count], byteCount: tables.count)
        let memory = MemorySnapshotStore(quotaBytes: .max)
        let made = try await memory.create(
            from: MemorySource(regions + [(region, tables)], hostState: ModelCard(metadata).bytes),
            SnapshotOptions(name: "tiny"))
        return ModelStore(disk: nil, memory: memory, base: made.id, device: try HostContext())
    }

    static func bytes(_ floats: [Float]) -> [UInt8] { floats.withUnsafeBytes { Array($0) } }

    static func llama(_ model: LoadedModel, slots: Int = 1) -> Llama {
        Llama(
            model.shape, weights: model.weights,
            cache: KVCache(model.shape, slotCount: slots, contextCount: context))
    }

    /// splitmix64
    struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            let mixed = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
            return (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        }
        /// From -1 to 1.
        mutating func float() -> Float { Float(next() >> 40) / Float(1 << 23) - 1 }
    }

    private static func header() -> [UInt8] {
        var out = Array("GGUF".utf8)
        var pairCount = 0
        func number<T: FixedWidthInteger>(_ value: T) { withUnsafeBytes(of: value.littleEndian) { out += $0 } }
        func text(_ bytes: [UInt8]) {
            number(UInt64(bytes.count))
            out += bytes
        }
        func pair(_ key: String, type: UInt32) {
            text(Array(key.utf8))
            number(type)
            pairCount += 1
        }
        number(UInt32(3))
        number(UInt64(0))
        let countPlace = out.count
        number(UInt64(0))
        for (key, value) in [
            ("general.architecture", "llama"), ("tokenizer.ggml.model", "gpt2"), ("tokenizer.ggml.pre", "smollm"),
        ] {
            pair(key, type: 8)
            text(Array(value.utf8))
        }
        for (key, value) in [
            ("block_count", layerCount), ("embedding_length", width), ("feed_forward_length", inner),
            ("attention.head_count", heads), ("attention.head_count_kv", keyHeads), ("context_length", context),
        ] {
            pair("llama.\(key)", type: 4)
            number(UInt32(value))
        }
        let alphabet = ByteAlphabet()
        let words = (0..<256).map { alphabet.spelling(of: UInt8($0)) } + ["<s>", "</s>"].map { Array($0.utf8) }
        for (key, list) in [("tokens", words), ("merges", [])] {
            pair("tokenizer.ggml.\(key)", type: 9)
            number(UInt32(8))
            number(UInt64(list.count))
            for item in list { text(item) }
        }
        pair("tokenizer.ggml.token_type", type: 9)
        number(UInt32(5))
        number(UInt64(words.count))
        for index in words.indices { number(Int32(index < 256 ? 1 : 3)) }
        withUnsafeBytes(of: UInt64(pairCount).littleEndian) {
            out.replaceSubrange(countPlace..<countPlace + 8, with: $0)
        }
        return out
    }
}

/// A directory of adapters that goes away with the value.
final class AdapterDirectory {
    let path: String

    init() {
        let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(base)/adapters-XXXXXX".utf8CString)
        precondition(mkdtemp(&template) != nil, "no scratch directory")
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for name in VariantShelf.names(in: path) {
            unlink("\(path)/\(name)/adapter_config.json")
            unlink("\(path)/\(name)/adapter_model.safetensors")
            rmdir("\(path)/\(name)")
        }
        rmdir(path)
    }

    /// Writes an adapter for the values of each layer and returns its matrices by layer: A, then B.
    @discardableResult
    func write(
        _ name: String, seed: UInt64 = 1, base: String = "someone/Tiny", rank: Int = 2, bRows: Int = TinyModel.keyWidth,
        parts: [String] = ["A", "B"], module: String = "self_attn.v_proj"
    ) -> [[[Float]]] {
        var random = TinyModel.Generator(state: seed)
        var (entries, data, made): ([String], [UInt8], [[[Float]]]) = ([], [], [])
        for layer in 0..<TinyModel.layerCount {
            var matrices: [[Float]] = []
            for part in parts {
                let shape = part == "A" ? [2, TinyModel.width] : [bRows, 2]
                let floats = (0..<shape[0] * shape[1]).map { _ in random.float() * 0.3 }
                let start = data.count
                data += TinyModel.bytes(floats)
                entries.append(
                    #""base_model.model.model.layers.\#(layer).\#(module).lora_\#(part).weight":"#
                        + #"{"dtype":"F32","shape":\#(shape),"data_offsets":[\#(start),\#(data.count)]}"#)
                matrices.append(floats)
            }
            made.append(matrices)
        }
        let header = Array("{\(entries.joined(separator: ","))}".utf8)
        let config =
            #"{"peft_type":"LORA","base_model_name_or_path":"\#(base)","r":\#(rank),"lora_alpha":4,"#
            + #""target_modules":["v_proj"],"bias":"none"}"#
        mkdir("\(path)/\(name)", 0o700)
        file("\(name)/adapter_config.json", Array(config.utf8))
        file("\(name)/adapter_model.safetensors", (0..<8).map { UInt8(header.count >> (8 * $0) & 255) } + header + data)
        return made
    }

    private func file(_ name: String, _ bytes: [UInt8]) {
        let stream = fopen("\(path)/\(name)", "w")
        precondition(stream != nil && fwrite(bytes, 1, bytes.count, stream) == bytes.count, "no scratch file")
        fclose(stream)
    }
}
