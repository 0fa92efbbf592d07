/// The shared heads and, for every training row, what heads that never saw the row say of it.
struct TopicFit: Sendable {
    var shared: LearnedWeights.SharedHeads
    /// Per row: topics and family indicators, out of fold.
    var outOfFold: [SIMD32<Float>]
    /// Families with an indicator, in the order of their columns.
    var families: [String]

    private static let foldsCount = 3

    /// Rows seen by heads that were trained on others: nothing is out of fold, because nothing was fitted to them.
    init(_ rows: TrainingRows, _ shared: LearnedWeights.SharedHeads) {
        self.shared = shared
        families = []
        outOfFold = (0..<rows.count).map { row in
            var sum = SIMD32<Int32>(repeating: 0)
            for index in rows.starts[row]..<rows.starts[row + 1] {
                sum &+= SIMD32<Int32>(truncatingIfNeeded: shared.words[Int(rows.buckets[index])])
            }
            var view = SIMD32<Float>(sum) * (shared.scale * rows.value[row]) + shared.bias
            for index in 0..<64 { view += shared.dense[index] * rows.dense[row * 64 + index] }
            return view
        }
    }

    /// Fits one ridge head per subject and family, and turns the subjects' scores into their main directions.
    init(
        _ rows: TrainingRows, subjects: [String], families labels: [String],
        standard: (mean: [Float], inverse: [Float]), _ options: LearnedTrainer.Options
    ) {
        let families = Self.frequent(labels, most: LearnedWeights.SharedHeads.familyCount)
        let topics = Self.frequent(subjects, most: 104)
        self.families = families
        let columns = topics.count + families.count
        let topicIndex = Dictionary(uniqueKeysWithValues: topics.enumerated().map { ($1, $0) })
        let familyIndex = Dictionary(uniqueKeysWithValues: families.enumerated().map { ($1, $0 + topics.count) })
        let positive = (0..<rows.count).map { (topicIndex[subjects[$0]] ?? -1, familyIndex[labels[$0]] ?? -1) }
        let folds = (0..<rows.count).map { rows.fold($0, of: Self.foldsCount, seed: 77) }
        let blocks = (columns + 15) / 16
        // Fit number foldsCount is the one on all rows.
        let fits = TrainingThreads.map(blocks * (Self.foldsCount + 1), threads: options.threadsCount) { job in
            let (block, fold) = (job % blocks, job / blocks)
            let selection = (0..<rows.count).filter { folds[$0] != fold }
            let targets = selection.map { row in
                var target = SIMD16<Float>(repeating: 0)
                for column in [positive[row].0, positive[row].1] where column >= 0 && column / 16 == block {
                    target[column % 16] = 1
                }
                return target
            }
            return RidgeFit(
                rows, selection, targets: targets,
                weights: [SIMD16<Float>](repeating: SIMD16(repeating: 1), count: selection.count), lambda: 1, steps: 10)
        }
        @Sendable func scores(_ row: Int) -> [Float] {
            var scores: [Float] = []
            for block in 0..<blocks {
                let lanes = fits[folds[row] * blocks + block].predict(rows, row)
                for lane in 0..<16 where scores.count < columns { scores.append(lanes[lane]) }
            }
            return scores
        }
        let all = TrainingThreads.map((rows.count + 1_023) / 1_024, threads: options.threadsCount) { part in
            (part * 1_024..<min(rows.count, part * 1_024 + 1_024)).map(scores)
        }.flatMap { $0 }
        let directions = MainDirections(all.map { Array($0[..<topics.count]) }, LearnedWeights.SharedHeads.topicCount)
        // Scores to columns: directions, then the families as they are.
        let turn = { (scores: [Float]) -> SIMD32<Float> in
            var view = SIMD32<Float>(repeating: 0)
            for (index, direction) in directions.rows.enumerated() {
                var sum: Float = 0
                for topic in 0..<topics.count { sum += direction[topic] * scores[topic] }
                view[index] = sum
            }
            for family in families.indices {
                view[LearnedWeights.SharedHeads.topicCount + family] = scores[topics.count + family]
            }
            return view
        }
        outOfFold = all.map(turn)
        let whole = Array(fits[(Self.foldsCount * blocks)...])
        let flat = { (pick: (RidgeFit) -> SIMD16<Float>) -> SIMD32<Float> in
            turn((0..<columns).map { pick(whole[$0 / 16])[$0 % 16] })
        }
        let words = (0..<PromptScan.bucketCount).map { bucket in flat { $0.coefficients[bucket] } }
        var scale = SIMD32<Float>(repeating: 1)
        for column in 0..<32 { scale[column] = max(1e-9, words.reduce(0) { max($0, abs($1[column])) } / 127) }
        let bias = flat { $0.bias }
        shared = LearnedWeights.SharedHeads(
            words: words.map { row in
                var lanes = SIMD32<Int8>(repeating: 0)
                for column in 0..<32 { lanes[column] = Int8((row[column] / scale[column]).rounded()) }
                return lanes
            },
            scale: scale, bias: bias,
            dense: (0..<64).map { index in flat { $0.coefficients[PromptScan.bucketCount + index] } },
            mean: standard.mean, inverse: standard.inverse, edges: [])
        shared.edges = edges(rows, labels)
    }

    /// The most frequent labels, in the order of their names.
    private static func frequent(_ labels: [String], most: Int) -> [String] {
        var counts: [String: Int] = [:]
        for label in labels { counts[label, default: 0] += 1 }
        return counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(most).map(\.key).sorted()
    }

    /// Quantiles over rows of all families, each family counting alike up to a thousand rows.
    private func edges(_ rows: TrainingRows, _ labels: [String]) -> [Float] {
        var taken: [String: Int] = [:]
        let sample = (0..<rows.count).filter { row in
            taken[labels[row], default: 0] += 1
            return taken[labels[row]]! <= 1_500
        }
        let count = LearnedWeights.SharedHeads.binCount - 1
        var edges: [Float] = []
        for feature in 0..<LearnedWeights.SharedHeads.featureCount {
            let values = sample.map { row in
                feature < 64 ? rows.counts[row * 64 + feature] : outOfFold[row][feature - 64]
            }.sorted()
            // Where few values occur, each has its own bin.
            var distinct: [Float] = []
            for value in values where value != distinct.last && distinct.count <= count { distinct.append(value) }
            if distinct.count <= count {
                let middles = zip(distinct, distinct.dropFirst()).map { ($0 + $1) / 2 }
                edges += middles + [Float](repeating: 1e11, count: count - middles.count)
            } else {
                edges += (1...count).map { values[min(values.count - 1, $0 * values.count / (count + 1))] }
            }
        }
        return edges
    }
}

/// The directions in which scores vary most: eigenvectors of their covariance, by Jacobi's rotations.
struct MainDirections {
    /// Unit vectors, widest first.
    let rows: [[Float]]

    init(_ scores: [[Float]], _ count: Int) {
        let width = scores.first?.count ?? 0
        var mean = [Double](repeating: 0, count: width)
        for row in scores { for index in 0..<width { mean[index] += Double(row[index]) } }
        for index in 0..<width { mean[index] /= Double(max(1, scores.count)) }
        var matrix = [Double](repeating: 0, count: width * width)
        for row in scores {
            let centred = (0..<width).map { Double(row[$0]) - mean[$0] }
            for first in 0..<width {
                for second in first..<width { matrix[first * width + second] += centred[first] * centred[second] }
            }
        }
        for first in 0..<width {
            for second in 0..<first { matrix[first * width + second] = matrix[second * width + first] }
        }
        var vectors = [Double](repeating: 0, count: width * width)
        for index in 0..<width { vectors[index * width + index] = 1 }
        for _ in 0..<12 {
            for first in 0..<width {
                for second in (first + 1)..<max(first + 1, width) {
                    Self.rotate(&matrix, &vectors, width, first, second)
                }
            }
        }
        let order = (0..<width).sorted { matrix[$0 * width + $0] > matrix[$1 * width + $1] }
        rows = order.prefix(count).map { column in (0..<width).map { Float(vectors[$0 * width + column]) } }
    }

    private static func rotate(
        _ matrix: inout [Double], _ vectors: inout [Double], _ width: Int, _ first: Int, _ second: Int
    ) {
        let off = matrix[first * width + second]
        guard abs(off) > 1e-12 else { return }
        let theta = (matrix[second * width + second] - matrix[first * width + first]) / (2 * off)
        let tangent = (theta < 0 ? -1 : 1) / (abs(theta) + (theta * theta + 1).squareRoot())
        let cosine = 1 / (tangent * tangent + 1).squareRoot()
        let sine = tangent * cosine
        for index in 0..<width {
            let (left, right) = (matrix[index * width + first], matrix[index * width + second])
            matrix[index * width + first] = cosine * left - sine * right
            matrix[index * width + second] = sine * left + cosine * right
        }
        for index in 0..<width {
            let (left, right) = (matrix[first * width + index], matrix[second * width + index])
            matrix[first * width + index] = cosine * left - sine * right
            matrix[second * width + index] = sine * left + cosine * right
            let (up, down) = (vectors[index * width + first], vectors[index * width + second])
            vectors[index * width + first] = cosine * up - sine * down
            vectors[index * width + second] = sine * up + cosine * down
        }
    }
}
