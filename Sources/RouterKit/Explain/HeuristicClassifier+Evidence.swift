extension HeuristicClassifier {
    /// The groups of features, each with what it adds to the predicted difference between the two models' tiers.
    ///
    /// Integrated gradients (Sundararajan, Taly, Yan 2017, arXiv 1703.01365) from the mean prompt: along that straight
    /// line a logistic head depends on one sum only, so each feature gets the share of the head's change that it has in
    /// the change of the sum, and the shares add up exactly.
    public func evidence(
        for request: borrowing RequestView, between stronger: borrowing ModelCard, and weaker: borrowing ModelCard
    ) -> Evidence? {
        let text = request.ask.decisiveBytes
        guard !text.isEmpty else { return nil }
        let counts = TextCounts(text.span, vocabulary: vocabulary)
        let features = PromptFeatures(counts)
        var (sum, mean) = (Self.bias, Self.bias)
        for index in 0..<Feature.count {
            sum += weights[index] * features.values[index]
            mean += weights[index] * weights[index].w
        }
        let curve = curve(features.kind, counts, sum)
        let gap = curve[stronger.tier] - curve[weaker.tier]
        let (names, kind) = ((stronger.name, weaker.name), features.kind)
        guard kind != .smallTalk, kind != .lookup, kind != .transformation else {
            // The heads were not asked: the kind decided alone.
            let part = Evidence.Part(kind: .group, name: kind.name.description, weight: gap, value: 1)
            return Evidence(stronger: names.0, weaker: names.1, gap: gap, baseline: 0, parts: [part])
        }
        var (baseline, moved) = (0.0, [Double](repeating: 0, count: SignalGroup.allCases.count))
        for (tier, sign) in [(stronger.tier.rawValue, 1.0), (weaker.tier.rawValue, -1)] {
            let (start, end) = (Self.logistic(mean[tier]), Self.logistic(sum[tier]))
            let way = sum[tier] - mean[tier]
            let slope = abs(way) < 1e-9 ? start * (1 - start) : (end - start) / way
            baseline += sign * start
            for index in 0..<Feature.count {
                let step = weights[index][tier] * (features.values[index] - weights[index].w)
                moved[groups[index].rawValue] += sign * slope * step
            }
        }
        let parts = SignalGroup.allCases.map { group in
            Evidence.Part(
                kind: .group, name: group.name(kind).description, weight: moved[group.rawValue],
                value: group.value(counts))
        }
        return Evidence(stronger: names.0, weaker: names.1, gap: gap, baseline: baseline, parts: parts)
    }

    private static let bias = SIMD4(
        HeuristicWeights.bias.cheap, HeuristicWeights.bias.mid, HeuristicWeights.bias.strong, 0)
}
