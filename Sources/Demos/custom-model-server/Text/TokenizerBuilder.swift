import GPUServeKit

/// Makes `TokenizerTables` from the metadata of a GGUF file.
enum TokenizerBuilder {
    /// The tables as bytes.
    ///
    /// - Throws: `malformedTokenizer` naming the key or token; `unsupportedArchitecture` for another kind of tokenizer.
    static func tables(_ metadata: GGUFMetadata) throws(ModelError) -> [UInt8] {
        let kind = metadata.string("tokenizer.ggml.model") ?? "none"
        guard kind == "gpt2" else {
            throw ModelError(.malformedTokenizer, "the tokenizer is \(kind); only byte-level BPE (gpt2) is served here")
        }
        let pre = metadata.string("tokenizer.ggml.pre") ?? "default"
        let preTokenizer: TokenizerTables.PreTokenizer
        switch pre {
        case "smollm", "starcoder", "refact", "command-r": preTokenizer = .digitsApart
        case "gpt-2", "default", "mpt", "olmo": preTokenizer = .gpt2
        default:
            throw ModelError(.malformedTokenizer, "the pre-tokenizer \(pre) is not served here; smollm and gpt-2 are")
        }
        guard let tokens = metadata.strings("tokenizer.ggml.tokens"), !tokens.isEmpty,
            let merges = metadata.strings("tokenizer.ggml.merges")
        else {
            throw ModelError(.malformedTokenizer, "the file has no tokenizer.ggml.tokens or no tokenizer.ggml.merges")
        }
        let kinds = metadata.integers("tokenizer.ggml.token_type") ?? [Int](repeating: 1, count: tokens.count)
        guard kinds.count == tokens.count else {
            throw ModelError(.malformedTokenizer, "\(tokens.count) tokens have \(kinds.count) types")
        }
        var ids: [ArraySlice<UInt8>: UInt32] = [:]
        ids.reserveCapacity(tokens.count)
        for (id, range) in tokens.enumerated() { ids[metadata.header[range]] = UInt32(id) }

        var slotCount = 64
        while slotCount < 2 * merges.count { slotCount *= 2 }
        var slots = [UInt32](repeating: TokenizerTables.empty, count: 4 * slotCount)
        for (rank, range) in merges.enumerated() {
            let merge = metadata.header[range]
            guard let space = merge.dropFirst().firstIndex(of: 0x20) else {
                throw ModelError(.malformedTokenizer, "merge \(rank) is not two tokens and a space")
            }
            let (left, right) = (merge[merge.startIndex..<space], merge[(space + 1)...])
            guard let leftID = ids[left], let rightID = ids[right], let result = ids[left + right] else { continue }
            var slot = TokenizerTables.hash(leftID, rightID) & (slotCount - 1)
            while slots[4 * slot] != TokenizerTables.empty { slot = (slot + 1) & (slotCount - 1) }
            slots.replaceSubrange(4 * slot..<4 * slot + 4, with: [leftID, rightID, UInt32(rank), result])
        }
        let alphabet = ByteAlphabet()
        var starts: [UInt32] = []
        var text: [UInt8] = []
        for (id, range) in tokens.enumerated() {
            starts.append(UInt32(text.count))
            let token = metadata.header[range]
            // Only ordinary tokens are written in the alphabet of bytes.
            if kinds[id] == 1 || kinds[id] == 5 { alphabet.append(token, to: &text) } else { text += token }
        }
        starts.append(UInt32(text.count))
        let firsts = (0..<256).map { ids[alphabet.spelling(of: UInt8($0))[...]] ?? TokenizerTables.empty }
        func id(_ name: String) -> UInt32 {
            metadata.integer("tokenizer.ggml.\(name)_token_id").flatMap { UInt32(exactly: $0) } ?? TokenizerTables.empty
        }
        let addsBegin: UInt32 = metadata.bool("tokenizer.ggml.add_bos_token") == true ? 1 : 0
        let header = [
            TokenizerTables.version, UInt32(tokens.count), UInt32(slotCount), preTokenizer.rawValue, id("bos"),
            id("eos"),
            id("unknown"), addsBegin,
        ]
        var bytes: [UInt8] = []
        for word in header + firsts + starts + slots { withUnsafeBytes(of: word.littleEndian) { bytes += $0 } }
        return bytes + kinds.map { UInt8(clamping: $0) } + text
    }
}

/// The printable characters that stand for bytes in byte-level vocabularies (OpenAI's GPT-2, `bytes_to_unicode`).
struct ByteAlphabet {
    private let scalars: [Unicode.Scalar]
    private let bytes: [UInt32: UInt8]

    init() {
        var scalars: [Unicode.Scalar] = []
        var next: UInt32 = 256
        for byte in UInt32(0)..<256 {
            let isPrintable = (33...126).contains(byte) || (161...172).contains(byte) || byte >= 174
            // Every number up to 0x143 is a scalar.
            scalars.append(Unicode.Scalar(isPrintable ? byte : next)!)
            if !isPrintable { next += 1 }
        }
        self.scalars = scalars
        bytes = Dictionary(uniqueKeysWithValues: scalars.enumerated().map { ($1.value, UInt8($0)) })
    }

    func spelling(of byte: UInt8) -> [UInt8] { Array(String(scalars[Int(byte)]).utf8) }

    /// Appends the bytes that `token` spells; a character outside the alphabet stands for itself.
    func append(_ token: ArraySlice<UInt8>, to output: inout [UInt8]) {
        for scalar in String(decoding: token, as: UTF8.self).unicodeScalars {
            if let byte = bytes[scalar.value] { output.append(byte) } else { output += Array(String(scalar).utf8) }
        }
    }
}
