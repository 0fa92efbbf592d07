/// What a classifier says about one request. Never one number only.
public struct Assessment: Sendable, Hashable {
    /// How hard the request looks, 0...1. For people and logs; policies choose by `quality`.
    public let difficulty: Double
    /// Predicted success per capability tier: for models that the classifier does not know by name.
    public let quality: QualityCurve
    /// Predicted success of the models that the classifier knows by name; empty when it knows none of the pool.
    public let models: ModelPredictions
    /// How far the classifier trusts itself here, 0...1: 0 means "I have not seen anything like this".
    ///
    /// Policies send a request of low support to the strongest model: not knowing is no reason to save.
    public let support: Double
    /// What spoke for the prediction, strongest first, at most a handful.
    public let signals: SignalList

    /// Clamps `difficulty` and `support` into 0...1; a NaN difficulty counts as 1 and a NaN support as 0.
    public init(
        difficulty: Double, quality: QualityCurve, models: ModelPredictions = ModelPredictions(), support: Double,
        signals: SignalList
    ) {
        self.models = models
        self.difficulty = difficulty.isNaN ? 1 : min(1, max(0, difficulty))
        self.quality = quality
        self.support = support.isNaN ? 0 : min(1, max(0, support))
        self.signals = signals
    }

    /// Predicted success of `card`'s model: by its name where that is known, else by its tier.
    public func quality(of card: borrowing ModelCard) -> Double { models[card.name] ?? quality[card.tier] }

    /// The assessment of a request that cannot be judged: hardest, no support.
    ///
    /// - Parameter reason: the one signal's name, for example "no-text".
    public static func unknown(_ reason: StaticString) -> Assessment {
        Assessment(
            difficulty: 1, quality: QualityCurve(cheap: 0, mid: 0, strong: 0), support: 0,
            signals: [Signal(name: reason, weight: 1, value: 1)])
    }
}

/// One observation behind an assessment.
public struct Signal: Sendable, Hashable {
    /// A name from a fixed, small set, safe as a metric label: for example "maths" or "code".
    ///
    /// A `StaticString`, so that making a signal allocates nothing and no prompt text can leak into a log.
    private let staticName: StaticString
    /// How much it moved the difficulty: above 0 is harder, below 0 is easier, in logits.
    public let weight: Double
    /// What was observed: a count or a share; its unit follows from the name.
    public let value: Double

    /// Makes a signal.
    public init(name: StaticString, weight: Double, value: Double) {
        staticName = name
        self.weight = weight
        self.value = value
    }

    /// The signal's name.
    public var name: String { staticName.description }

    /// Compares by name, weight and value.
    public static func == (left: Signal, right: Signal) -> Bool {
        left.name == right.name && left.weight == right.weight && left.value == right.value
    }

    /// Feeds what `==` compares.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(name)
        hasher.combine(weight)
        hasher.combine(value)
    }
}
