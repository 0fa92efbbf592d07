public import Wire

/// The text of a deployment, in the state directory and in the interface: one JSON object.
extension DeploymentSpec {
    /// Reads a deployment. Unknown members are refused, so that a slip is not taken for a wish.
    public init(json bytes: [UInt8], limits: Limits = .standard) throws(ServeError) {
        let json: JSONValue
        do throws(WireError) {
            json = try JSONValue.parse(bytes, limits: limits)
        } catch {
            throw ServeError(.invalidSpec, "the body is not JSON: \(error)")
        }
        guard let members = json.members else {
            throw ServeError(.invalidSpec, "the body is \(json.kindName), not an object")
        }
        var reader = SpecReader()
        for member in members { try reader.take(member.key, member.value) }
        self = try reader.spec()
        if let problem { throw ServeError(.invalidSpec, problem) }
    }

    /// The deployment's text; `init(json:)` reads the same back.
    public var json: [UInt8] {
        var object = JSONObjectText()
        object.add("name", name)
        object.add("engine", engine.rawValue)
        object.add("model", model)
        if let program { object.add("program", program) }
        object.add("gpus", gpuCount)
        object.add("min", scale.minCount)
        object.add("max", scale.maxCount)
        object.add("buffer", scale.bufferCount)
        object.add("concurrency", scale.concurrency)
        object.add("scaledown_ms", scale.scaledown_ms)
        object.add("prewake", scale.isPrewaking)
        object.add("patience", scale.patience)
        object.add("least_tier", leastTier.rawValue)
        object.add("arguments", extraArguments)
        object.add("environment", environmentNames)
        if let memoryBytes { object.add("memory_bytes", memoryBytes) }
        if let price { object.add("price", price.object) }
        return object.bytes
    }
}

/// Takes the members of a deployment one by one.
private struct SpecReader {
    private var texts: [String: String] = [:]
    private var numbers: [String: Int] = [:]
    private var lists: [String: [String]] = [:]
    private var isPrewaking = true
    private var price: Price?

    private static let textKeys: Set<String> = ["name", "engine", "model", "program", "least_tier"]
    private static let numberKeys: Set<String> = [
        "gpus", "min", "max", "buffer", "concurrency", "scaledown_ms", "patience", "memory_bytes",
    ]
    private static let listKeys: Set<String> = ["arguments", "environment"]

    mutating func take(_ key: String, _ value: JSONValue) throws(ServeError) {
        if Self.textKeys.contains(key) {
            guard let text = value.string else { throw wrong(key, "a string", value) }
            texts[key] = text
        } else if Self.numberKeys.contains(key) {
            guard let number = value.int else { throw wrong(key, "a whole number", value) }
            numbers[key] = number
        } else if Self.listKeys.contains(key) {
            guard let list = value.elements, list.allSatisfy({ $0.string != nil }) else {
                throw wrong(key, "a list of strings", value)
            }
            lists[key] = list.compactMap(\.string)
        } else if key == "price" {
            price = try Price(json: value)
        } else if key == "prewake" {
            guard let flag = value.bool else { throw wrong(key, "true or false", value) }
            isPrewaking = flag
        } else {
            throw ServeError(.invalidSpec, "there is no setting called '\(key)'")
        }
    }

    private func wrong(_ key: String, _ wanted: String, _ value: JSONValue) -> ServeError {
        ServeError(.invalidSpec, "\(key) must be \(wanted), not \(value.kindName)")
    }

    func spec() throws(ServeError) -> DeploymentSpec {
        guard let name = texts["name"], let engineName = texts["engine"], let model = texts["model"] else {
            throw ServeError(.invalidSpec, "a deployment has at least a name, an engine and a model")
        }
        guard let engine = EngineKind(rawValue: engineName) else {
            let known = EngineKind.allCases.map(\.rawValue).joined(separator: ", ")
            throw ServeError(.invalidSpec, "there is no engine '\(engineName)': \(known)")
        }
        var spec = DeploymentSpec(name: name, engine: engine, model: model, program: texts["program"])
        if let text = texts["least_tier"] {
            guard let tier = SleepTier(rawValue: text) else {
                let known = SleepTier.allCases.map(\.rawValue).joined(separator: ", ")
                throw ServeError(.invalidSpec, "there is no tier '\(text)': \(known)")
            }
            spec.leastTier = tier
        }
        spec.gpuCount = numbers["gpus"] ?? spec.gpuCount
        spec.scale.minCount = numbers["min"] ?? spec.scale.minCount
        spec.scale.maxCount = numbers["max"] ?? max(1, spec.scale.minCount)
        spec.scale.bufferCount = numbers["buffer"] ?? spec.scale.bufferCount
        spec.scale.concurrency = numbers["concurrency"] ?? spec.scale.concurrency
        spec.scale.scaledown_ms = numbers["scaledown_ms"] ?? spec.scale.scaledown_ms
        spec.scale.isPrewaking = isPrewaking
        spec.scale.patience = numbers["patience"] ?? spec.scale.patience
        spec.extraArguments = lists["arguments"] ?? []
        spec.environmentNames = lists["environment"] ?? []
        spec.memoryBytes = numbers["memory_bytes"]
        spec.price = price
        return spec
    }
}
