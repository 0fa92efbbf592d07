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
        let names = try Descriptor(openDirectory: path).names()
        var facts = ModelFacts(evidence: .none, weightBytes: 0)
        if names.contains("config.json") { facts = ModelFacts(configuration: try json(path + "/config.json", limits)) }
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
}
