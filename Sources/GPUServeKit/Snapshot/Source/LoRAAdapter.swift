public import Wire

/// A LoRA adapter (arXiv 2106.09685) as PEFT writes it: a directory with `adapter_config.json` and
/// `adapter_model.safetensors`. Each pair of matrices adds `scale * B A` to one matrix of the base.
public struct LoRAAdapter: Sendable {
    /// A matrix as the file has it.
    public struct Matrix: Sendable, Hashable {
        /// Its name in the file: `base_model.model.model.layers.7.self_attn.v_proj.lora_A.weight`.
        public var name: String
        /// F32, F16 or BF16.
        public var dtype: DataType
        /// A: rank, columns. B: rows, rank.
        public var shape: [Int]
        /// Its elements, row by row.
        public var bytes: [UInt8]
    }

    /// What is added to one matrix of the base.
    public struct Pair: Sendable, Hashable {
        /// The matrix, as the base's own files name it: `model.layers.7.self_attn.v_proj`.
        public var module: String
        /// The factor that comes first.
        public var a: Matrix
        /// The factor that comes second.
        public var b: Matrix
    }

    /// The base's name or path, as the adapter gives it.
    public let base: String
    /// Rows of every A, columns of every B: 1 to 1024.
    public let rank: Int
    /// What B A is multiplied with.
    public let scale: Float
    /// In the order of their modules' names.
    public let pairs: [Pair]

    /// Reads the directory.
    ///
    /// - Throws: `malformedSource` and `unsupportedSource` with the setting or the tensor named, and what `SafetensorsSource`
    ///   throws.
    public init(directory: String, limits: Limits = .standard) async throws(SnapshotError) {
        let config = try await Config(path: "\(directory)/adapter_config.json", limits: limits)
        (base, rank, scale) = (config.base, config.rank, config.scale)
        let path = "\(directory)/adapter_model.safetensors"
        let file = try SafetensorsSource(paths: [path], limits: limits)
        var parts: [String: Matrix] = [:]
        var modules: Set<String> = []
        for (index, tensor) in file.regions.enumerated() {
            func refuse(_ what: String) -> SnapshotError {
                SnapshotError(.unsupportedSource, "tensor \(SafeName.show(tensor.name)) \(what)", file: path)
            }
            guard let (module, part) = LoRAAdapter.split(tensor.name) else {
                throw refuse("is no lora_A or lora_B of a matrix")
            }
            guard let target = module.split(separator: ".").last, config.targets.contains(String(target)) else {
                throw refuse("belongs to none of target_modules, \(config.targets.joined(separator: ", "))")
            }
            guard tensor.shape.count == 2, tensor.shape[part == "lora_A" ? 0 : 1] == rank, !tensor.shape.contains(0)
            else {
                throw refuse("has the shape \(tensor.shape), which is not of rank \(rank)")
            }
            guard ["F32", "F16", "BF16"].contains(tensor.dtype.label) else {
                throw refuse("is of type \(tensor.dtype), not F32, F16 or BF16")
            }
            modules.insert(module)
            parts["\(module) \(part)"] = Matrix(
                name: tensor.name, dtype: tensor.dtype, shape: tensor.shape,
                bytes: try await file.bytes(ofRegion: index))
        }
        var pairs: [Pair] = []
        for module in modules.sorted() {
            guard let a = parts["\(module) lora_A"], let b = parts["\(module) lora_B"] else {
                throw SnapshotError(
                    .malformedSource, "\(SafeName.show(module)) has a lora_A or a lora_B without the other", file: path)
            }
            pairs.append(Pair(module: module, a: a, b: b))
        }
        guard !pairs.isEmpty else { throw SnapshotError(.malformedSource, "the adapter has no tensors", file: path) }
        self.pairs = pairs
    }

    /// The module and the part that a tensor's name says.
    private static func split(_ name: String) -> (module: String, part: String)? {
        let (start, end) = ("base_model.model.", ".weight")
        guard name.hasPrefix(start), name.hasSuffix(end), name.utf8.count > start.utf8.count + end.utf8.count else {
            return nil
        }
        let inner = name.dropFirst(start.count).dropLast(end.count)
        guard let dot = inner.lastIndex(of: "."), dot > inner.startIndex else { return nil }
        let part = String(inner[inner.index(after: dot)...])
        return part == "lora_A" || part == "lora_B" ? (String(inner[..<dot]), part) : nil
    }

    /// What the configuration says, as far as it is understood; anything else that changes the result is refused.
    private struct Config {
        var base: String
        var rank: Int
        var scale: Float
        var targets: [String]

        init(path: String, limits: Limits) async throws(SnapshotError) {
            func refuse(_ what: String, _ code: SnapshotError.Code = .unsupportedSource) -> SnapshotError {
                SnapshotError(code, what, file: path)
            }
            let json = try await FileSource.json(of: path, limits: limits)
            guard json["peft_type"]?.string == "LORA" else { throw refuse("peft_type is not LORA") }
            for key in ["use_dora", "fan_in_fan_out", "lora_bias"] where json[key]?.bool == true {
                throw refuse("\(key) is not understood")
            }
            for key in ["rank_pattern", "alpha_pattern"] where json[key]?.members?.isEmpty == false {
                throw refuse("\(key) is not understood")
            }
            guard json["modules_to_save"]?.isNull ?? true, json["bias"]?.string ?? "none" == "none" else {
                throw refuse("modules_to_save and bias are not understood")
            }
            guard let rank = json["r"]?.int, (1...1024).contains(rank), let alpha = json["lora_alpha"]?.double else {
                throw refuse("r must be a whole number from 1 to 1024, and lora_alpha a number", .malformedSource)
            }
            guard let targets = json["target_modules"]?.elements?.compactMap(\.string), !targets.isEmpty else {
                throw refuse("target_modules must be a list of names")
            }
            base = json["base_model_name_or_path"]?.string ?? ""
            self.rank = rank
            self.targets = targets
            scale = Float(alpha / (json["use_rslora"]?.bool == true ? Double(rank).squareRoot() : Double(rank)))
        }
    }
}
