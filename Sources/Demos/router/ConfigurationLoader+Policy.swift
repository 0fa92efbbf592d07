import RouterKit

/// The parts of a configuration that say how to choose.
extension GatewayConfiguration {
    /// The classifier that the file describes; reads the weights file that it names.
    func classifier() throws(LearnedWeightsError) -> StandardClassifier {
        guard let weightsPath else { return StandardClassifier() }
        return StandardClassifier(weights: try LearnedWeights.read(path: weightsPath))
    }

    /// The policy that the file describes; reads the policy file that it names.
    func policy() throws(LearnFileError) -> TradePolicy {
        var policy = TradePolicy(table: .shipped, promise: promise, guards: guards)
        if let policyPath { policy.table = try PolicyTable.read(path: policyPath) }
        return policy
    }

    /// `"guarantee": {"loss_points": 1, "confidence": 0.95}`
    static func promise(_ root: inout ConfigurationObject) throws(ConfigurationError) -> Promise? {
        guard var entry = try root.object("guarantee") else { return nil }
        let points = try entry.amount("loss_points")
        let confidence = try entry.amount("confidence") ?? 0.95
        try entry.finish()
        guard let points, points <= 100 else {
            throw entry.error("guarantee.loss_points is missing or above 100: how many points of quality may be lost")
        }
        guard confidence > 0, confidence < 1 else {
            throw entry.error("guarantee.confidence must lie between 0 and 1, for example 0.95")
        }
        return Promise(loss: points / 100, confidence: confidence)
    }

    /// `"guards": {"presets": ["medical"], "patterns": {"payroll": ["salary slip", "payroll*"]}, "floor": "mid"}`
    static func guards(_ root: inout ConfigurationObject) throws(ConfigurationError) -> GuardSet? {
        guard var entry = try root.object("guards") else { return nil }
        let presets = try entry.choices("presets", GuardSet.Preset.allCases.map { ($0.rawValue, $0) }) ?? []
        let floor = try entry.choice("floor", CapabilityTier.allCases.map { ($0.name, $0) })
        var rules = presets.map(\.rule)
        if var patterns = try entry.object("patterns") {
            for (name, _) in patterns.everything() {
                rules.append(GuardSet.Rule(name: name, phrases: try patterns.strings(name)?.map(\.text) ?? []))
            }
        }
        try entry.finish()
        guard !rules.isEmpty else {
            throw entry.error("guards guards nothing: name presets, or phrases under patterns")
        }
        do {
            return try GuardSet(rules, floor: floor)
        } catch {
            throw entry.error("guards: \(error)")
        }
    }

    /// `"cascade": {"ask": ["small", "middle"], "accept": "agreement", "compare": "auto", "gate": 0.04}`
    static func cascade(_ root: inout ConfigurationObject) throws(ConfigurationError) -> Cascade? {
        guard var entry = try root.object("cascade") else { return nil }
        let ask = try entry.strings("ask")?.map(\.text) ?? []
        let isAgreement = try entry.choice("accept", [("agreement", true), ("confidence", false)]) ?? true
        let rule = try entry.choice("compare", AnswerMatch.Rule.allCases.map { ($0.rawValue, $0) }) ?? .auto
        let similarity = try entry.amount("minimum_similarity") ?? (rule == .similar ? 0.9 : 1)
        let surprise = try entry.amount("most_surprise")
        var cascade = Cascade(ask: ask)
        cascade.acceptance = .agreement(rule, minimumSimilarity: similarity)
        if !isAgreement { cascade.acceptance = .confidence(minimumMeanLogProbability: -(surprise ?? 0.1)) }
        cascade.gate = try entry.amount("gate") ?? cascade.gate
        if let modes = try entry.choices("modes", RoutingMode.choices) { cascade.modes = Set(modes) }
        cascade.timeout_ms = try entry.int("timeout_ms", in: 1...3_600_000) ?? cascade.timeout_ms
        try entry.finish()
        guard ask.count == cascade.askCount, Set(ask).count == ask.count else {
            let wanted = isAgreement ? "two different models, whose answers are compared" : "one model"
            throw entry.error("cascade.ask must name \(wanted)")
        }
        guard similarity <= 1, cascade.gate <= 1 else {
            throw entry.error("cascade.minimum_similarity and cascade.gate lie within 0 and 1")
        }
        return cascade
    }
}
