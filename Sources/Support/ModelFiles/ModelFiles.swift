import GPUServeKit
import Glibc
import Tokens
import Wire

/// A model's files, whichever kind they are of: where its tensors lie, and how they come into the one form that models have
/// here, which is that of GGUF files.
package struct ModelFiles {
    enum Layout: Hashable {
        case asItIs
        /// 16-bit floats to be made 32-bit ones.
        case floats
        /// Rows are in another order: see `TensorName.halvesRow`.
        case halves(headSize: Int)
    }

    struct Part {
        /// The tensor as `source` has it, and its place there.
        let found: RegionDescription
        let index: Int
        let layout: Layout
        /// The tensor as a snapshot has it.
        let region: RegionDescription
    }

    let source: any SnapshotSource
    let parts: [Part]
    let card: ModelCard
    /// The tokenizer's, see `TokenizerTables`.
    package let tables: [UInt8]

    /// - Parameter path: a GGUF file; or a safetensors file, or its folder, with `config.json` and `tokenizer.json` beside it.
    /// - Throws: `SnapshotError` or `ModelError`, naming file and place, for what cannot be read or is not served here.
    package init(path: String) async throws {
        if let folder = Self.folder(of: path) {
            self = try await ModelFiles(folder: folder, weights: Self.weights(path, folder))
        } else {
            let file = try GGUFSource(path: path)
            source = file
            parts = file.regions.indices.map { index in
                Part(found: file.regions[index], index: index, layout: .asItIs, region: file.regions[index])
            }
            (card, tables) = try Self.naming(path) {
                (try ModelCard(file.metadata), try Vocabulary(file.metadata).tables())
            }
        }
    }

    private init(folder: String, weights: [String]) async throws {
        let config = try await FileSource.json(of: "\(folder)/config.json")
        let settings = try await Self.optional("\(folder)/tokenizer_config.json")
        let generation = try await Self.optional("\(folder)/generation_config.json")
        let template = try await Self.template(folder, settings)
        card = try Self.naming("\(folder)/config.json") { try ModelCard(config: config, chatTemplate: template) }
        let shape = card.shape
        let path = "\(folder)/tokenizer.json"
        let text = try await FileSource.contents(of: path, limitBytes: Limits.standard.tokenizerFileBytes)
        tables = try Self.naming(path) {
            var vocabulary = try Vocabulary(tokenizerJSON: text, count: shape.vocabularyCount, limits: .standard)
            try vocabulary.takeEnd(generation: generation, config: config, settings: settings)
            return try vocabulary.tables()
        }
        let file = try SafetensorsSource(paths: weights)
        source = file
        let isTied = config["tie_word_embeddings"]?.bool == true
        parts = try Self.naming(weights[0]) { try Self.parts(file.regions, shape, isTied: isTied) }
    }

    /// Tensors under their names here.
    private static func parts(
        _ regions: [RegionDescription], _ shape: ModelShape, isTied: Bool
    ) throws(ModelError) -> [Part] {
        var modules: Set<String> = []
        var parts: [Part] = []
        for (index, found) in regions.enumerated() where !found.name.hasSuffix(".rotary_emb.inv_freq") {
            let module = found.name.hasSuffix(".weight") ? String(found.name.dropLast(7)) : ""
            guard let name = TensorName.gguf(module: module) else {
                throw ModelError(.unsupportedArchitecture, "tensor \(found.name) is none of a Llama model")
            }
            modules.insert(module)
            if isTied && module == "lm_head" { continue }
            var region = found
            region.name = name
            var layout = Layout.asItIs
            if TensorName.isTurned(name) {
                guard found.shape.count == 2, found.shape[0] % shape.headSize == 0 else {
                    throw ModelError(
                        .wrongShape,
                        "tensor \(found.name) has the shape \(found.shape), which is not of heads of \(shape.headSize)")
                }
                layout = .halves(headSize: shape.headSize)
            } else if found.shape.count == 1, ["F16", "BF16"].contains(found.dtype.label) {
                layout = .floats
                (region.dtype, region.byteCount) = (DataType("F32"), 4 * found.shape[0])
            }
            parts.append(Part(found: found, index: index, layout: layout, region: region))
        }
        let wanted = TensorName.modules(layerCount: shape.layerCount) + (isTied ? [] : ["lm_head"])
        if let missing = wanted.first(where: { !modules.contains($0) }) {
            throw ModelError(.missingTensor, "the model has no tensor \(missing).weight")
        }
        return parts
    }

    // MARK: Paths

    /// Every file that the model at `path` may be made of, there or not; the weights come first.
    package static func files(of path: String) async throws -> [String] {
        guard let folder = folder(of: path) else { return [path] }
        let names = [
            "model.safetensors.index.json", "config.json", "tokenizer.json", "tokenizer_config.json",
            "generation_config.json", "chat_template.jinja",
        ]
        return try await weights(path, folder) + names.map { "\(folder)/\($0)" }
    }

    /// What a model is called that lies at `path`.
    package static func name(of path: String) -> String {
        let isWhole = path.hasSuffix("/model.safetensors")
        let words = path.split(separator: "/")
        let file = (isWhole ? words.dropLast() : words[...]).last.map { String($0) } ?? path
        for ending in [".gguf", ".safetensors"] where file.hasSuffix(ending) {
            return String(file.dropLast(ending.count))
        }
        return file
    }

    /// The folder of a model that is not in one GGUF file; nil when it is.
    static func folder(of path: String) -> String? {
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { return path }
        guard path.hasSuffix(".safetensors") else { return nil }
        return path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    }

    private static func weights(_ path: String, _ folder: String) async throws -> [String] {
        guard path == folder else { return [path] }
        let index = "\(folder)/model.safetensors.index.json"
        guard access("\(folder)/model.safetensors", F_OK) != 0, access(index, F_OK) == 0 else {
            return ["\(folder)/model.safetensors"]
        }
        // It has a line for each tensor.
        var limits = Limits.standard
        limits.modelConfigBytes = limits.tokenizerFileBytes
        let names = Set(
            try await FileSource.json(of: index, limits: limits)["weight_map"]?.members?.compactMap(\.value.string)
                ?? [])
        guard !names.isEmpty, names.allSatisfy({ !$0.contains("/") }) else {
            throw ModelError(.malformedMetadata, "weight_map names no files beside it").at(file: index)
        }
        return names.sorted().map { "\(folder)/\($0)" }
    }

    private static func optional(_ path: String) async throws -> JSONValue? {
        access(path, F_OK) == 0 ? try await FileSource.json(of: path) : nil
    }

    private static func template(_ folder: String, _ settings: JSONValue?) async throws -> String? {
        let path = "\(folder)/chat_template.jinja"
        if access(path, F_OK) == 0 {
            let bytes = try await FileSource.contents(of: path, limitBytes: Limits.standard.modelConfigBytes)
            return String(decoding: bytes, as: UTF8.self)
        }
        let template = settings?["chat_template"]
        return template?.string ?? template?.elements?.first { $0["name"]?.string == "default" }?["template"]?.string
    }

    /// What `body` throws, with the file.
    private static func naming<Result>(_ file: String, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as ModelError {
            throw error.at(file: file)
        } catch let error as TokenizerError {
            throw ModelError(error).at(file: file)
        }
    }
}
