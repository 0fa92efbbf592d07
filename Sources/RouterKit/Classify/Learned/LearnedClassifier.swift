/// Predicts the success of each model of a pool that it has outcomes of, and of capability tiers for other pools.
///
/// Experts are linear heads on hashed words and word pairs, averaged with boosted trees on counts of structure and
/// topics. Each knows one family of prompts; a prompt that no expert of the pool recognises gets a support under
/// 0.5. Allocates nothing per request; safe to use from any thread.
public struct LearnedClassifier: ComplexityClassifier {
    /// Names the format and the weights.
    public var version: String { "learned-\(LearnedWeights.format)-\(weights.version)" }
    /// What it predicts from.
    public let weights: LearnedWeights

    /// For a pool of unmeasured models support stays below one half: routers carried over to other models and tasks
    /// choose nearly at random (leave-one-source-out APGR .48 to .60), so the strongest model is asked.
    private static let unknownModels: Float = 0.49

    /// Experts asked, with the names that predictions go by, in the order of the expert's models.
    struct Bound: Sendable {
        let expert: Int
        let names: ModelPredictions.Names
        let tiers: [CapabilityTier]
    }
    let bound: [Bound]

    /// A classifier for pools that `weights` does not know, until it is bound to one that they know.
    public init(_ weights: LearnedWeights = .shipped) {
        self.weights = weights
        bound = []
    }

    private init(_ weights: LearnedWeights, _ bound: [Bound]) {
        self.weights = weights
        self.bound = bound
    }

    /// Takes the experts that know every one of `cards` by name; the prompt then decides which of them speaks.
    public func bound(to cards: [ModelCard]) -> any ComplexityClassifier { known(cards) }

    /// Whether some expert knows every model of the pool that this classifier was bound to.
    var knowsPool: Bool { !bound.isEmpty }

    /// This classifier bound to `cards`.
    func known(_ cards: [ModelCard]) -> LearnedClassifier {
        let tiers = Dictionary(cards.map { ($0.name, $0.tier) }, uniquingKeysWith: max)
        let bound = weights.experts.indices.compactMap { index -> Bound? in
            let models = weights.experts[index].models
            guard !weights.experts[index].family.isEmpty, !cards.isEmpty,
                cards.allSatisfy({ models.contains($0.name) })
            else { return nil }
            return Bound(
                expert: index, names: ModelPredictions.Names(models),
                tiers: models.map { tiers[$0] ?? .cheap })
        }
        return LearnedClassifier(weights, bound)
    }

    /// Models of the expert that was trained on most rows: a pool to try or to time with.
    public static func largestPool(of weights: LearnedWeights) -> [String] {
        weights.experts.filter { !$0.family.isEmpty }.max { $0.rowCount < $1.rowCount }?.models ?? []
    }

    /// Judges the last ask of the human; of a bare one the ask that it continues.
    public func assess(_ request: borrowing RequestView) -> Assessment {
        let text = request.ask.decisiveBytes
        guard !text.isEmpty else { return .unknown("no-text") }
        let scan = PromptScan(text.span)
        guard scan.wordsCount > 0 else { return .unknown("no-words") }
        let view = weights.shared.view(scan)
        var factor = Familiarity(scan)
        factor.consider(request, orphan: 0.4)
        if bound.isEmpty { return assessTiers(scan, view, factor) }
        let speaker = speaker(scan, view)
        let (best, bestSupport) = (bound[speaker.position], speaker.support)
        let expert = weights.experts[best.expert]
        let quality = Self.qualities(expert, expert.heads(scan, view, weights.trees[best.expert]))
        var models = ModelPredictions(names: best.names)
        var curve = SIMD4<Double>(repeating: -1)
        for index in 0..<expert.models.count {
            models.set(index, quality[index])
            curve[best.tiers[index].rawValue] = max(curve[best.tiers[index].rawValue], Double(quality[index]))
        }
        if curve.x < 0 { curve.x = max(0, curve.y) }
        if curve.y < 0 { curve.y = curve.x }
        if curve.z < 0 { curve.z = curve.y }
        return Assessment(
            difficulty: 1 - Double(quality[0]), quality: QualityCurve(cheap: curve.x, mid: curve.y, strong: curve.z),
            models: models, support: Double(bestSupport) * factor.support,
            signals: signals(scan, factor, family: bestSupport))
    }

    /// Position in `bound` of the expert that recognises the prompt best; there must be one.
    @inline(__always)
    func speaker(_ scan: borrowing PromptScan, _ view: borrowing LearnedView) -> (position: Int, support: Float) {
        var best = (position: 0, support: weights.experts[bound[0].expert].support(scan, view))
        for position in 1..<max(1, bound.count) {
            let support = weights.experts[bound[position].expert].support(scan, view)
            if support > best.support { best = (position, support) }
        }
        return best
    }

    private func assessTiers(
        _ scan: borrowing PromptScan, _ view: borrowing LearnedView, _ factor: Familiarity
    ) -> Assessment {
        guard let joint = weights.experts.last, joint.family.isEmpty, joint.models.count == 3 else {
            return .unknown("no-expert")
        }
        // Every expert that recognises the prompt vouches for it; the joint one alone would take anything.
        var support: Float = 0
        for expert in weights.experts.dropLast() { support = max(support, expert.support(scan, view)) }
        support = min(support, joint.support(scan, view)) * Self.unknownModels
        let quality = Self.qualities(joint, joint.heads(scan, view, weights.trees[weights.trees.count - 1]))
        // Nobody measured these models: a tier that looks better than a stronger one is no ground for a choice.
        let strong = quality[2]
        let mid = min(quality[1], strong)
        let cheap = min(quality[0], mid)
        return Assessment(
            difficulty: 1 - Double(cheap),
            quality: QualityCurve(cheap: Double(cheap), mid: Double(mid), strong: Double(strong)),
            support: Double(support) * factor.support,
            signals: signals(scan, factor, family: support, isPoolKnown: false))
    }

    /// Qualities in the order of the expert's models, moved together into 0...1, so that differences stay true.
    static func qualities(_ expert: borrowing LearnedWeights.Expert, _ heads: SIMD16<Float>) -> SIMD16<Float> {
        let count = expert.models.count
        let reference = heads[0].isFinite ? heads[0] : 0
        var quality = SIMD16<Float>(repeating: 0)
        var (least, most) = (reference, reference)
        for index in 0..<count {
            let gain = index + 1 < count ? heads[index + 1] : 0
            quality[index] = reference - (gain.isFinite ? gain : 1)
            least = min(least, quality[index])
            most = max(most, quality[index])
        }
        quality += least < 0 ? -least : most > 1 ? max(1 - most, -least) : 0
        return quality
    }

    private func signals(
        _ scan: borrowing PromptScan, _ factor: Familiarity, family: Float, isPoolKnown: Bool = true
    ) -> SignalList {
        // Not a literal: that would allocate an array first.
        var signals = SignalList()
        signals.append(Signal(name: "length", weight: 0, value: Double(scan.wordsCount)))
        signals.append(Signal(name: "familiarity", weight: 0, value: Double(family)))
        if !isPoolKnown { signals.append(Signal(name: "unknown-models", weight: 0, value: 1)) }
        if factor.support < 1 { signals.append(Signal(name: factor.doubt, weight: 0, value: factor.support)) }
        return signals
    }
}

extension Familiarity {
    /// Judges a prompt's text alone, whatever its words say: garbage, other languages, hardly any words.
    init(_ scan: borrowing PromptScan) {
        self.init(1, "none")
        if scan.garbageCount > 0 { lower(by: scan.garbageCount * 8 > scan.wordsCount ? 0 : 0.5, "control-characters") }
        if scan.foreignCount > scan.wordsCount { lower(by: 0.2, "unfamiliar-language") }
        if scan.wordsCount < 3 { lower(by: 0.5, "too-short") }
    }
}
