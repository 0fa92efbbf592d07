public import Wire

/// Kinds of input a model can take, as a set.
public struct Modalities: OptionSet, Sendable, Hashable {
    /// One bit per modality.
    public let rawValue: UInt8

    /// A set from its bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Text; every model of a pool takes it.
    public static let text = Modalities(rawValue: 1)
    /// Images.
    public static let image = Modalities(rawValue: 2)
    /// Audio.
    public static let audio = Modalities(rawValue: 4)
    /// Files, such as PDF.
    public static let file = Modalities(rawValue: 8)

    /// Names in the order of the bits, as configuration files spell them.
    public static let names: [(name: String, value: Modalities)] = [
        ("text", .text), ("image", .image), ("audio", .audio), ("file", .file),
    ]
}

/// Everything the router knows about one model of the pool.
public struct ModelCard: Sendable, Hashable {
    /// The name clients see; unique in the pool.
    public var name: String
    /// What the classifier's quality prediction is read at.
    public var tier: CapabilityTier
    /// `nil` when unknown: shown as unknown, never as 0, and sorted as the dearest.
    public var price: Price?
    /// Tokens of prompt and answer together.
    public var contextWindowTokens: Int
    /// Longest answer in tokens; `nil` means that only the window bounds it.
    public var maxOutputTokens: Int?
    /// Kinds of input it takes.
    public var modalities: Modalities
    /// Takes tool definitions.
    public var supportsTools: Bool
    /// Takes `response_format: {"type": "json_object"}`.
    public var supportsJSONMode: Bool
    /// Takes a JSON schema for its answer.
    public var supportsJSONSchema: Bool
    /// Thinks before it answers: more completion tokens are expected.
    public var isReasoning: Bool
    /// The APIs it speaks; nothing is translated between them.
    public var dialects: Set<Dialect>
    /// Top-level request members set on the way up, for example `reasoning_effort`.
    public var overrides: [ParameterOverride]
    /// Where it is served; at least one.
    public var deployments: [Deployment]

    /// A card; see the properties for ranges, which ``validate()`` checks.
    public init(
        name: String, tier: CapabilityTier, price: Price? = nil, contextWindowTokens: Int, maxOutputTokens: Int? = nil,
        modalities: Modalities = .text, supportsTools: Bool = true, supportsJSONMode: Bool = true,
        supportsJSONSchema: Bool = false, isReasoning: Bool = false, dialects: Set<Dialect> = [.chatCompletions],
        overrides: [ParameterOverride] = [], deployments: [Deployment]
    ) {
        self.name = name
        self.tier = tier
        self.price = price
        self.contextWindowTokens = contextWindowTokens
        self.maxOutputTokens = maxOutputTokens
        self.modalities = modalities
        self.supportsTools = supportsTools
        self.supportsJSONMode = supportsJSONMode
        self.supportsJSONSchema = supportsJSONSchema
        self.isReasoning = isReasoning
        self.dialects = dialects
        self.overrides = overrides
        self.deployments = deployments
    }
}
