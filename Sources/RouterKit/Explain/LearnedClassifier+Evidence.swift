import Glibc

extension LearnedClassifier {
    /// Words, counts and topics, each with what it adds to the predicted difference.
    ///
    /// Linear heads are sums already. A tree's prediction is taken apart along its path: each split adds the mean of the
    /// node it leads to less the mean of the node it stands in (A. Saabas, "Interpreting random forests", 2014; compared
    /// with Shapley values by Lundberg et al., arXiv 1905.04610). The weights file does not hold how many rows took which
    /// side of a split. It holds mean and deviation of every feature over the expert's rows, so a node's mean weighs its
    /// two sides as if the feature were normal and did not depend on the splits above.
    public func evidence(
        for request: borrowing RequestView, between stronger: borrowing ModelCard, and weaker: borrowing ModelCard
    ) -> Evidence? {
        let text = request.ask.decisiveBytes
        let scan = PromptScan(text.span)
        guard scan.wordsCount > 0 else { return nil }
        let view = weights.shared.view(scan)
        let speaker = bound.isEmpty ? weights.experts.count - 1 : bound[speaker(scan, view).position].expert
        let expert = weights.experts[speaker]
        let place = { (card: borrowing ModelCard) in
            expert.family.isEmpty ? card.tier.rawValue : expert.models.firstIndex(of: card.name)
        }
        guard let top = place(stronger), let other = place(weaker), max(top, other) < expert.models.count else {
            return nil
        }
        var sum = PathSum(scan, view, weights.shared, expert, weights.trees[speaker])
        // A model's quality is the reference's less the reference's gain over it.
        if other < expert.models.count - 1 { sum.add(column: other + 1, sign: 1) }
        if top < expert.models.count - 1 { sum.add(column: top + 1, sign: -1) }
        let assessment = assess(request)
        return Evidence(
            stronger: stronger.name, weaker: weaker.name,
            gap: assessment.quality(of: stronger) - assessment.quality(of: weaker), baseline: sum.baseline,
            parts: parts(sum, scan, view, text))
    }

    private func parts(
        _ sum: PathSum, _ scan: borrowing PromptScan, _ view: borrowing LearnedView, _ text: [UInt8]
    ) -> [Evidence.Part] {
        let spelled = PromptScan.spelled(text)
        var parts: [Evidence.Part] = []
        for index in 0..<scan.bucketsCount {
            let words = spelled[scan.buckets[index]]
            parts.append(
                Evidence.Part(
                    kind: words?.isPair == true ? .pair : .word, name: words?.text ?? "bucket \(scan.buckets[index])",
                    weight: sum.words[index], value: 1))
        }
        for feature in 0..<PromptScan.countCount {
            parts.append(
                Evidence.Part(
                    kind: .count, name: StructureCounts.names[feature], weight: sum.features[feature],
                    value: Double(scan.counts[feature])))
        }
        for topic in 0..<LearnedWeights.SharedHeads.topicCount {
            let weight = sum.features[PromptScan.countCount + topic]
            guard weight != 0 else { continue }
            let words = topWords(of: topic, scan, spelled).joined(separator: ", ")
            parts.append(
                Evidence.Part(
                    kind: .topic, name: words.isEmpty ? "topic \(topic)" : "topic \(topic): \(words)", weight: weight,
                    value: Double(view.shared[topic])))
        }
        return parts
    }

    /// The words of the prompt that lie farthest along a direction of topic.
    private func topWords(
        of topic: Int, _ scan: borrowing PromptScan, _ spelled: [UInt16: SpelledBucket]
    ) -> [String] {
        var words: [(text: String, step: Int)] = []
        for index in 0..<scan.bucketsCount {
            guard let word = spelled[scan.buckets[index]], !word.isPair else { continue }
            words.append((word.text, abs(Int(weights.shared.words[Int(scan.buckets[index])][topic]))))
        }
        return words.sorted { (-$0.step, $0.text) < (-$1.step, $1.text) }.prefix(3).filter { $0.step > 0 }.map(\.text)
    }
}

/// Takes predictions of one expert apart.
private struct PathSum {
    private(set) var baseline = 0.0
    /// Per bucket of the scan, in its order.
    private(set) var words: [Double]
    /// Per count, then per topic.
    private(set) var features = [Double](repeating: 0, count: LearnedWeights.SharedHeads.featureCount)
    private let buckets: [Int]
    private let value: Double
    private let dense: [Double]
    private let bins: [UInt8]
    private let leftShares: [Double]
    private let expert: LearnedWeights.Expert
    private let trees: [LearnedWeights.CompleteForest]

    init(
        _ scan: borrowing PromptScan, _ view: borrowing LearnedView, _ shared: LearnedWeights.SharedHeads,
        _ expert: LearnedWeights.Expert, _ trees: [LearnedWeights.CompleteForest]
    ) {
        var buckets: [Int] = []
        for index in 0..<scan.bucketsCount { buckets.append(Int(scan.buckets[index])) }
        self.buckets = buckets
        words = [Double](repeating: 0, count: buckets.count)
        value = Double(scan.value)
        var (dense, bins): ([Double], [UInt8]) = ([], [])
        for feature in 0..<PromptScan.countCount { dense.append(Double(view.dense[feature])) }
        for feature in 0..<LearnedWeights.SharedHeads.featureCount { bins.append(view.bins[feature]) }
        (self.dense, self.bins) = (dense, bins)
        self.expert = expert
        self.trees = trees
        leftShares = Self.leftShares(shared, expert.support)
    }

    /// Per feature and bin the share of the expert's prompts whose bin is at most that.
    private static func leftShares(
        _ shared: LearnedWeights.SharedHeads, _ scale: LearnedWeights.SupportScale
    ) -> [Double] {
        let (features, bins) = (LearnedWeights.SharedHeads.featureCount, LearnedWeights.SharedHeads.binCount)
        var shares = [Double](repeating: 1, count: features * bins)
        for feature in 0..<features {
            for bin in 0..<bins - 1 {
                var edge = shared.edges[feature * (bins - 1) + bin]
                // Where few values occur, the edges beyond them are out of reach.
                guard edge < 1e10 else { continue }
                if feature < PromptScan.countCount {
                    edge = LearnedWeights.SharedHeads.squashed(edge, shared.mean[feature], shared.inverse[feature])
                }
                let off = Double((edge - scale.centre[feature]) * scale.inverse[feature])
                shares[feature * bins + bin] = 0.5 * (1 + erf(off / 2.0.squareRoot()))
            }
        }
        return shares
    }

    /// Adds `sign` times the head `column`.
    mutating func add(column: Int, sign: Double) {
        let forest = trees[column]
        let linear = sign * (forest.count > 0 ? Double(expert.ridgeShare) : 1)
        baseline += linear * Double(expert.bias[column])
        let step = linear * Double(expert.scale[column]) * value
        for (index, bucket) in buckets.enumerated() { words[index] += step * Double(expert.words[bucket][column]) }
        for feature in dense.indices {
            features[feature] += linear * dense[feature] * Double(expert.dense[feature][column])
        }
        guard forest.count > 0 else { return }
        let grown = sign * (1 - Double(expert.ridgeShare))
        baseline += grown * Double(forest.base)
        for tree in 0..<forest.count { walk(forest, tree, scale: grown * Double(forest.scale)) }
    }

    private mutating func walk(_ forest: LearnedWeights.CompleteForest, _ tree: Int, scale: Double) {
        let leaves = 1 << forest.depth
        // Means of the nodes of a complete tree, root first, its leaves last.
        var means = [Double](repeating: 0, count: 2 * leaves - 1)
        for leaf in 0..<leaves { means[leaves - 1 + leaf] = Double(forest.leaves[tree * leaves + leaf]) }
        for node in (0..<leaves - 1).reversed() {
            let split = 2 * (tree * (leaves - 1) + node)
            let (feature, bin) = (Int(forest.splits[split]), Int(forest.splits[split + 1]))
            // Filled up below a leaf: both sides are alike.
            let left =
                bin < LearnedWeights.SharedHeads.binCount
                ? leftShares[feature * LearnedWeights.SharedHeads.binCount + bin] : 1
            means[node] = left * means[2 * node + 1] + (1 - left) * means[2 * node + 2]
        }
        baseline += scale * means[0]
        var node = 0
        while node < leaves - 1 {
            let split = 2 * (tree * (leaves - 1) + node)
            let feature = Int(forest.splits[split])
            let next = 2 * node + (bins[feature] > forest.splits[split + 1] ? 2 : 1)
            features[feature] += scale * (means[next] - means[node])
            node = next
        }
    }
}

/// The words that put a bucket into a scan.
struct SpelledBucket {
    let text: String
    let isPair: Bool
}

extension PromptScan {
    /// Longest word that is spelled out; of a longer one the beginning.
    private static let spelledBytes = 40

    /// For each bucket the first words of `text` that fall into it.
    static func spelled(_ text: [UInt8]) -> [UInt16: SpelledBucket] {
        var found: [UInt16: SpelledBucket] = [:]
        var previous = noWord
        var before = ""
        for range in wordRanges(text) {
            var hash = emptyWord
            for byte in text[range] { hash = hashed(hash, folded(byte)) }
            hash = mix(hash)
            let word = String(decoding: text[range].prefix(spelledBytes), as: UTF8.self)
            let pair = before.isEmpty ? "\(word) (first)" : "\(before) \(word)"
            for (hash, spelled) in [
                (hash, SpelledBucket(text: word, isPair: false)),
                (paired(previous, hash), SpelledBucket(text: pair, isPair: true)),
            ] where found[bucket(hash)] == nil {
                found[bucket(hash)] = spelled
            }
            (previous, before) = (hash, word)
        }
        return found
    }

    /// Where the words of `text` lie, as the scan cuts it.
    static func wordRanges(_ text: [UInt8]) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        var index = 0
        while index < text.count {
            let start = index
            while index < text.count, isWord(text[index]) { index += 1 }
            if index > start { ranges.append(start..<index) } else { index += 1 }
        }
        return ranges
    }
}
