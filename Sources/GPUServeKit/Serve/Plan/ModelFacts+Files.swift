internal import Glibc
public import Wire

/// Facts from a model's files. Reads headers and `config.json`, never weights: milliseconds, or what the disk takes.
extension ModelFacts {
    /// What is known of a model: from its file or directory if it is there, else from its name. Blocks its thread.
    ///
    /// - Parameter model: a GGUF or safetensors file, a directory of those with or without the files, or a name.
    public static func read(_ model: String, limits: Limits = .standard) -> ModelFacts {
        var info = stat()
        guard stat(model, &info) == 0 else { return read(name: model) }
        let isDirectory = info.st_mode & S_IFMT == S_IFDIR
        do throws(SnapshotError) {
            if isDirectory { return try directory(model, limits) }
            if model.hasSuffix(".safetensors") {
                return ModelFacts(evidence: .files, weightBytes: try tensorBytes([model], limits))
            }
            return try gguf(model, limits)
        } catch {
            // Another format, or a damaged file: its length still says how much there is to load.
            var facts = read(name: model)
            if !isDirectory { (facts.evidence, facts.weightBytes) = (.files, Int(info.st_size)) }
            facts.problem = "\(error)"
            return facts
        }
    }

    private static func gguf(_ path: String, _ limits: Limits) throws(SnapshotError) -> ModelFacts {
        let source = try GGUFSource(path: path, limits: limits)
        let metadata = try GGUFMetadata(header: source.hostState ?? [])
        var facts = ModelFacts(evidence: .files, weightBytes: source.regions.reduce(0) { $0 + $1.byteCount })
        guard let kind = metadata.string("general.architecture") else { return facts }
        func number(_ key: String) -> Int? { plausible(metadata.integer("\(kind).\(key)")) }
        facts.layerCount = number("block_count")
        facts.headCount = number("attention.head_count")
        facts.keyValueHeadCount = number("attention.head_count_kv") ?? facts.headCount
        facts.contextTokens = number("context_length")
        facts.headSize = number("attention.key_length") ?? quotient(number("embedding_length"), facts.headCount)
        return facts
    }

    private static func tensorBytes(_ paths: [String], _ limits: Limits) throws(SnapshotError) -> Int {
        try SafetensorsSource(paths: paths, limits: limits).regions.reduce(0) { $0 + $1.byteCount }
    }

    /// A directory as hubs lay them out: `config.json`, `*.safetensors`, and for several of those an index that names all.
    private static func directory(_ path: String, _ limits: Limits) throws(SnapshotError) -> ModelFacts {
        let number = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else { throw .system("open", file: path) }
        let names = try Descriptor(number, label: path).names()
        var facts = ModelFacts(evidence: .none, weightBytes: 0)
        if names.contains("config.json") { facts = try configuration(path + "/config.json", limits) }
        let shards = names.filter { $0.hasSuffix(".safetensors") }.sorted()
        if names.contains("model.safetensors.index.json") {
            let index = try json(path + "/model.safetensors.index.json", limits)
            let wanted = Set((index["weight_map"]?.members ?? []).compactMap { $0.value.string })
            if !wanted.isSubset(of: shards) {
                if let total = plausible(index["metadata"]?["total_size"]?.int, most: 1 << 52) {
                    (facts.evidence, facts.weightBytes) = (.configuration, total)
                }
                let missing = wanted.subtracting(shards).count
                facts.problem = "\(missing) of the \(wanted.count) files that its index names are not there"
                return facts
            }
        }
        if !shards.isEmpty {
            facts.weightBytes = try tensorBytes(shards.map { "\(path)/\($0)" }, limits)
            facts.evidence = .files
        } else if let single = names.filter({ $0.hasSuffix(".gguf") }).sorted().first {
            facts = try gguf("\(path)/\(single)", limits)
        }
        return facts.evidence == .none ? read(name: path) : facts
    }

    /// The shape in a `config.json` of Hugging Face's transformers, and the number of parameters that a decoder of that shape
    /// has: attention, three feed-forward matrices (for each expert, if there are some), and the vocabulary.
    private static func configuration(_ path: String, _ limits: Limits) throws(SnapshotError) -> ModelFacts {
        let whole = try json(path, limits)
        // Models that also see keep their text part's shape one level down.
        let config = whole["text_config"] ?? whole
        func number(_ key: String) -> Int? { plausible(config[key]?.int) }
        var facts = ModelFacts(evidence: .none, weightBytes: 0)
        facts.layerCount = number("num_hidden_layers")
        facts.headCount = number("num_attention_heads")
        facts.keyValueHeadCount = number("num_key_value_heads") ?? facts.headCount
        facts.headSize = number("head_dim") ?? quotient(number("hidden_size"), facts.headCount)
        facts.contextTokens = number("max_position_embeddings")
        guard let layers = facts.layerCount, let heads = facts.headCount, let cached = facts.keyValueHeadCount,
            let size = facts.headSize, let hidden = number("hidden_size"), let inner = number("intermediate_size"),
            let words = number("vocab_size")
        else { return facts }
        let attention = 2 * Double(hidden) * Double(size) * Double(heads + cached)
        let experts = Double(number("num_local_experts") ?? number("num_experts") ?? 1)
        let expert = 3 * Double(hidden) * Double(number("moe_intermediate_size") ?? inner)
        let isTied = config["tie_word_embeddings"]?.bool ?? false
        let parameters =
            Double(layers) * (attention + experts * expert) + Double(words) * Double(hidden) * (isTied ? 1 : 2)
        let bits = plausible(whole["quantization_config"]?["bits"]?.int)
        let method = whole["quantization_config"]?["quant_method"]?.string ?? ""
        let type = whole["torch_dtype"]?.string ?? whole["dtype"]?.string ?? config["torch_dtype"]?.string
        let bytes = bits.map { Double($0) / 8 } ?? (method.contains("fp8") ? 1 : type == "float32" ? 4 : 2)
        guard parameters * bytes < 1e16 else { return facts }
        (facts.evidence, facts.weightBytes) = (.configuration, Int(parameters * bytes))
        return facts
    }

    private static func json(_ path: String, _ limits: Limits) throws(SnapshotError) -> JSONValue {
        let file = try ModelFile(path)
        guard file.byteCount <= limits.modelIndexBytes else {
            throw SnapshotError(.malformedSource, "it is longer than \(limits.modelIndexBytes) bytes", file: path)
        }
        let bytes = try file.prefix(file.byteCount)
        do throws(WireError) {
            return try JSONValue.parse(bytes, limits: limits)
        } catch {
            throw SnapshotError(.malformedSource, "not JSON: \(error.detail)", file: path, offset: error.offset)
        }
    }

    /// Numbers from a stranger's file are multiplied with each other: what no model has is not known.
    private static func plausible(_ value: Int?, most: Int = 1_000_000_000) -> Int? {
        value.flatMap { (1...most).contains($0) ? $0 : nil }
    }

    private static func quotient(_ whole: Int?, _ part: Int?) -> Int? {
        guard let whole, let part, whole % part == 0 else { return nil }
        return whole / part
    }
}
