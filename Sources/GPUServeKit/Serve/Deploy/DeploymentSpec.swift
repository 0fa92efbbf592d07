/// What a deployment is: everything that was said about it, and nothing of what became of it.
public struct DeploymentSpec: Sendable, Hashable {
    /// What clients write as `model`; see `problem(withName:)`.
    public var name: String
    /// The engine.
    public var engine: EngineKind
    /// The model, as the engine takes it; a path is absolute.
    public var model: String
    /// The engine's program; nil to look for the one of its recipe.
    public var program: String?
    /// Devices for each replica; 0 for the processor alone.
    public var gpuCount: Int
    /// How many replicas, and when.
    public var scale: ScaleSettings
    /// The fastest tier to sleep in; deeper ones give more back.
    public var leastTier: SleepTier
    /// Words for the engine behind those of its recipe.
    public var extraArguments: [String]
    /// Variables of the daemon that the engine gets besides the usual ones, by name: their values are never stored.
    public var environmentNames: [String]
    /// Host memory to reserve for each replica, in bytes; nil to reckon with what it is estimated and then measured to take.
    public var memoryBytes: Int?
    /// What it costs whoever is billed for it; nil when nobody said.
    public var price: Price?

    /// A deployment; see `problem` for what is allowed.
    public init(
        name: String, engine: EngineKind, model: String, program: String? = nil, gpuCount: Int = 0,
        scale: ScaleSettings = ScaleSettings(), leastTier: SleepTier = .inPlace, extraArguments: [String] = [],
        environmentNames: [String] = [], memoryBytes: Int? = nil, price: Price? = nil
    ) {
        self.name = name
        self.engine = engine
        self.model = model
        self.program = program
        self.gpuCount = gpuCount
        self.scale = scale
        self.leastTier = leastTier
        self.extraArguments = extraArguments
        self.environmentNames = environmentNames
        self.memoryBytes = memoryBytes
        self.price = price
    }

    /// A sentence about what is wrong with a name; nil for one of 1 to 63 letters, digits, `.`, `_` and `-` that begins with
    /// a letter or digit, does not hold `..` and is no word of our own paths.
    public static func problem(withName name: String) -> String? {
        let isPlain = name.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
        }
        let startsWell = name.utf8.first.map { $0 >= 0x30 && $0 != UInt8(ascii: "_") } ?? false
        guard isPlain, startsWell, name.utf8.count <= 63, !name.utf8.contains("..") else {
            return
                "a name is 1 to 63 letters, digits, '.', '_' and '-', begins with a letter or digit and holds no '..'"
        }
        guard !reservedNames.contains(name) else {
            return "'\(name)' is a path of the server's own; choose another name"
        }
        return nil
    }

    private static let reservedNames: Set<String> = ["api", "v1", "ui", "metrics", "health", "healthz", "readyz"]

    /// A sentence about the first thing that is wrong; nil when nothing is. Whether the files are there is asked at each start.
    public var problem: String? {
        if let problem = Self.problem(withName: name) { return problem }
        if let problem = scale.problem { return problem }
        if model.isEmpty { return "a deployment needs a model" }
        if !(0...64).contains(gpuCount) { return "gpus is \(gpuCount); it must be 0 to 64" }
        if let memoryBytes, !(1...1 << 50).contains(memoryBytes) {
            return "memory is \(memoryBytes) bytes; it must be 1 to 2^50"
        }
        if extraArguments.count > 256 { return "\(extraArguments.count) extra arguments; 256 are allowed" }
        for text in [model, program ?? ""] + extraArguments + environmentNames where text.utf8.contains(0) {
            return "a value holds a zero byte"
        }
        return nil
    }
}

extension String.UTF8View {
    fileprivate func contains(_ text: String) -> Bool { String(self).firstRange(of: text) != nil }
}
