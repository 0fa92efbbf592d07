/// Trains one expert: linear heads and trees for the reference's quality and the gains over the other models.
struct ExpertFit {
    /// `nil` when there are too few rows.
    let expert: LearnedWeights.Expert?

    /// - Parameter scores: per row of `selection` and model, weakest first; `nil` where the model was not asked.
    init(
        _ rows: TrainingRows, _ topics: TopicFit, _ selection: [Int], _ scores: [[Float?]], family: String,
        models: [String], _ options: LearnedTrainer.Options
    ) {
        let width = models.count
        var targets: [SIMD16<Float>] = []
        var weights: [SIMD16<Float>] = []
        for row in scores {
            var (target, weight) = (SIMD16<Float>(repeating: 0), SIMD16<Float>(repeating: 0))
            if let reference = row[width - 1] {
                (target[0], weight[0]) = (reference, 1)
                for model in 0..<(width - 1) {
                    guard let score = row[model] else { continue }
                    (target[model + 1], weight[model + 1]) = (reference - score, 1)
                }
            }
            targets.append(target)
            weights.append(weight)
        }
        let usable = weights.reduce(0) { $0 + ((1..<width).contains { [weight = $1] in weight[$0] > 0 } ? 1 : 0) }
        guard usable >= LearnedTrainer.fewestRows else {
            expert = nil
            return
        }
        let lambda: Float = usable < 1_500 ? 4 : 14
        let columns = Self.columns(rows, topics, selection)
        let (finalTargets, finalWeights) = (targets, weights)
        let forests = TrainingThreads.map(width, threads: options.threadsCount) { head in
            let kept = selection.indices.filter { finalWeights[$0][head] > 0 }
            let count = selection.count
            var packed = [UInt8](repeating: 0, count: 88 * kept.count)
            for feature in 0..<88 {
                for (place, row) in kept.enumerated() {
                    packed[feature * kept.count + place] = columns[feature * count + row]
                }
            }
            return ForestFit.grow(
                columns: packed, targets: kept.map { finalTargets[$0][head] },
                options: ForestFit.Options(rowCount: kept.count), seed: options.seed &* 31 &+ UInt64(head))
        }
        let linear = RidgeFit(rows, selection, targets: targets, weights: weights, lambda: lambda, steps: 15)
        var scale = SIMD16<Float>(repeating: 0)
        for head in 0..<width {
            let most = linear.coefficients[..<PromptScan.bucketCount].reduce(Float(0)) { max($0, abs($1[head])) }
            scale[head] = max(1e-9, most / 127)
        }
        expert = LearnedWeights.Expert(
            family: family, models: models, familyColumn: topics.families.firstIndex(of: family) ?? -1,
            rowCount: usable, ridgeShare: usable < 1_500 ? 0.7 : 0.5,
            words: linear.coefficients[..<PromptScan.bucketCount].map { row in
                var lanes = SIMD16<Int8>(repeating: 0)
                for head in 0..<width { lanes[head] = Int8((row[head] / scale[head]).rounded()) }
                return lanes
            },
            scale: scale, bias: linear.bias,
            dense: Array(linear.coefficients[PromptScan.bucketCount...]), forests: forests,
            marks: Self.marks(rows, selection).bits,
            support: Self.support(rows, topics, selection, family: topics.families.firstIndex(of: family)))
    }

    /// The bin of each feature and row of `selection`, feature after feature.
    private static func columns(_ rows: TrainingRows, _ topics: TopicFit, _ selection: [Int]) -> [UInt8] {
        var columns = [UInt8](repeating: 0, count: 88 * selection.count)
        for (place, row) in selection.enumerated() {
            for feature in 0..<88 {
                let value = feature < 64 ? rows.counts[row * 64 + feature] : topics.outOfFold[row][feature - 64]
                columns[feature * selection.count + place] = topics.shared.bin(feature, value)
            }
        }
        return columns
    }

    private static func marks(_ rows: TrainingRows, _ selection: [Int]) -> (counts: [Int32], bits: [UInt64]) {
        var counts = [Int32](repeating: 0, count: 65_536)
        for row in selection {
            for index in rows.starts[row]..<rows.starts[row + 1] { counts[Int(rows.marks[index])] += 1 }
        }
        var bits = [UInt64](repeating: 0, count: 1_024)
        for mark in 0..<65_536 where counts[mark] >= 3 { bits[mark >> 6] |= 1 << UInt64(mark & 63) }
        return (counts, bits)
    }

    /// Measures how usual the family's own rows are, each as if it had not been seen.
    private static func support(
        _ rows: TrainingRows, _ topics: TopicFit, _ selection: [Int], family: Int?
    ) -> LearnedWeights.SupportScale {
        let counts = marks(rows, selection).counts
        let coverage = selection.map { row in
            let range = rows.starts[row]..<rows.starts[row + 1]
            return Float(range.count { counts[Int(rows.marks[$0])] >= 4 }) / Float(range.count)
        }
        var (centre, inverse) = ([Float](repeating: 0, count: 88), [Float](repeating: 0, count: 88))
        let value = { (row: Int, feature: Int) in
            feature < 64 ? rows.dense[row * 64 + feature] : topics.outOfFold[row][feature - 64]
        }
        for feature in 0..<88 {
            var (sum, squares): (Float, Float) = (0, 0)
            for row in selection { sum += value(row, feature) }
            centre[feature] = sum / Float(selection.count)
            for row in selection {
                squares += (value(row, feature) - centre[feature]) * (value(row, feature) - centre[feature])
            }
            inverse[feature] = 1 / max(0.02, (squares / Float(selection.count)).squareRoot())
        }
        let distances = selection.map { row in
            (0..<88).reduce(Float(0)) { sum, feature in
                let off = (value(row, feature) - centre[feature]) * inverse[feature]
                return sum + min(25, off * off)
            } / 88
        }
        let indicators = family.map { column in
            selection.map { topics.outOfFold[$0][LearnedWeights.SharedHeads.topicCount + column] }
        }
        return LearnedWeights.SupportScale(
            coverage: Self.place(coverage, low: 0.01),
            family: indicators.map { Self.place($0, low: 0.01) } ?? SIMD2(0, 1),
            distance: -Self.place(distances.map(-), low: 0.01), centre: centre, inverse: inverse)
    }

    /// The lowest share `low` and the median.
    private static func place(_ values: [Float], low: Double) -> SIMD2<Float> {
        let sorted = values.sorted()
        return SIMD2(sorted[Int(Double(sorted.count) * low)], sorted[sorted.count / 2])
    }
}
