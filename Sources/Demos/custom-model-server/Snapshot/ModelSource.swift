import GPUServeKit

/// A GGUF model as a source of snapshots: its tensors, and the tokenizer's tables made once, so that no start makes them again.
struct ModelSource: SnapshotSource {
    let regions: [RegionDescription]
    /// The model's card.
    let hostState: [UInt8]?
    let facts: [String: String]
    private let file: GGUFSource
    private let tables: [UInt8]

    /// - Throws: `SnapshotError` or `ModelError`, naming file and place.
    init(path: String) throws {
        file = try GGUFSource(path: path)
        let metadata = try GGUFMetadata(header: file.hostState ?? [])
        tables = try TokenizerBuilder.tables(metadata)
        regions =
            file.regions + [
                RegionDescription(
                    name: LoadedModel.tokenizerRegion, dtype: .bytes, shape: [tables.count], byteCount: tables.count)
            ]
        hostState = try ModelCard(metadata).bytes
        facts = file.facts
    }

    func read(region index: Int, at offset: Int, into memory: MutableMemory) async throws(SnapshotError) {
        guard index == file.regions.count else {
            try await file.read(region: index, at: offset, into: memory)
            return
        }
        guard offset >= 0, memory.count <= tables.count - offset else {
            throw SnapshotError(
                .truncatedSource, "the region ends before its length", file: LoadedModel.tokenizerRegion)
        }
        tables.withUnsafeBytes { memory.buffer.copyMemory(from: .init(rebasing: $0[offset..<offset + memory.count])) }
    }
}

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
