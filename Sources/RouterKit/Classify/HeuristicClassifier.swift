import Glibc

/// A small, readable classifier: counts what can be seen in the ask, and weighs the counts by three logistic heads,
/// one per capability tier. It knows no facts about the world.
///
/// Where the ask does not look like what the heads were fitted on, it says so by `support` under 0.5; a policy then
/// takes the strongest model. See `HeuristicWeights` for where the coefficients come from and how good they are.
///
/// Takes a few microseconds for an ask of 0.5 KB and allocates nothing.
public struct HeuristicClassifier: ComplexityClassifier {
    /// Names this classifier and its coefficients.
    public var version: String { "heuristic-1" }

    let vocabulary = Vocabulary()
    /// Weights per feature: cheap, mid, strong, and the feature's mean.
    let weights: [SIMD4<Double>]
    let groups: [SignalGroup]

    /// The most signals in an assessment that come from features.
    private static let signalCount = 4
    /// A signal weaker than this, in logits, is not worth showing.
    private static let weakestSignal = 0.05

    /// Makes the classifier; builds its word table once.
    public init() {
        let rows = HeuristicWeights.rows
        precondition(rows.map(\.feature) == Feature.allCases, "the weights are not in the order of the features")
        weights = rows.map { SIMD4($0.cheap, $0.mid, $0.strong, $0.mean) }
        groups = Feature.allCases.map(\.group)
    }

    /// Judges the human's last ask; of a bare one ("go on") the ask that it continues.
    public func assess(_ request: borrowing RequestView) -> Assessment {
        let text = request.ask.decisiveBytes
        guard !text.isEmpty else { return .unknown("no-text") }
        let counts = TextCounts(text.span, vocabulary: vocabulary)
        let features = PromptFeatures(counts)
        var familiarity = Familiarity(counts, features.kind)
        familiarity.consider(request, orphan: 0.5)

        var sum = SIMD4(
            HeuristicWeights.bias.cheap, HeuristicWeights.bias.mid, HeuristicWeights.bias.strong, 0)
        var moved = InlineArray<10, Double>(repeating: 0)
        for index in 0..<Feature.count {
            let value = features.values[index]
            let weight = weights[index]
            sum += weight * value
            moved[groups[index].rawValue] -= weight.x * (value - weight.w)
        }
        let quality = curve(features.kind, counts, sum)
        return Assessment(
            difficulty: 1 - quality.cheap, quality: quality, support: familiarity.support,
            signals: signals(moved, counts, features.kind, familiarity))
    }

    func curve(_ kind: PromptKind, _ counts: TextCounts, _ sum: SIMD4<Double>) -> QualityCurve {
        switch kind {
        case .smallTalk: HeuristicWeights.smallTalk
        case .lookup: HeuristicWeights.lookup
        case .transformation:
            counts.words <= 15 && counts.rareWords <= 1 && counts[.constraint] == 0
                ? HeuristicWeights.shortTransformation : HeuristicWeights.transformation
        default:
            Self.curve(
                cheap: Self.logistic(sum.x), mid: Self.logistic(sum.y), strong: Self.logistic(sum.z))
        }
    }

    /// Orders the three predictions. `mid` gives way, because half of the fitted rows have no mid model.
    private static func curve(cheap: Double, mid: Double, strong: Double) -> QualityCurve {
        let strong = max(cheap, strong)
        return QualityCurve(cheap: cheap, mid: max(cheap, min(mid, strong)), strong: strong)
    }

    static func logistic(_ value: Double) -> Double { 1 / (1 + exp(-value)) }

    /// The groups that moved the difficulty most, strongest first, then the reason for doubt, if any.
    private func signals(
        _ moved: InlineArray<10, Double>, _ counts: TextCounts, _ kind: PromptKind, _ familiarity: Familiarity
    ) -> SignalList {
        var signals = SignalList()
        if kind == .smallTalk || kind == .lookup || kind == .transformation {
            // The heads were not asked, so their features spoke for nothing.
            signals.append(Signal(name: kind.name, weight: -2, value: 1))
        } else {
            var left = moved
            while signals.count < Self.signalCount {
                var best = 0
                for group in 1..<left.count where abs(left[group]) > abs(left[best]) { best = group }
                guard abs(left[best]) >= Self.weakestSignal, let group = SignalGroup(rawValue: best) else { break }
                signals.append(Signal(name: group.name(kind), weight: left[best], value: group.value(counts)))
                left[best] = 0
            }
        }
        if familiarity.support < 0.5 {
            signals.append(Signal(name: familiarity.doubt, weight: 0, value: familiarity.support))
        }
        return signals
    }
}
