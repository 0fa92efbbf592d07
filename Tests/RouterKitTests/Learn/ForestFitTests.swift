import Testing

@testable import RouterKit

@Suite struct ForestFitTests {
    /// Rows of random bins, whose target depends on two features.
    private func grown() -> (forest: LearnedWeights.Forest, rows: [[UInt8]], targets: [Float]) {
        var random = SeededRandom(seed: 11)
        let rows = (0..<400).map { _ in (0..<88).map { _ in UInt8(random.next() % 64) } }
        let targets = rows.map { row -> Float in row[3] > 30 ? 1 : row[70] > 50 ? 0.5 : 0 }
        var columns = [UInt8](repeating: 0, count: 88 * rows.count)
        for (place, row) in rows.enumerated() {
            for feature in 0..<88 { columns[feature * rows.count + place] = row[feature] }
        }
        let options = ForestFit.Options(rowCount: 2_000)
        return (ForestFit.grow(columns: columns, targets: targets, options: options, seed: 1), rows, targets)
    }

    /// The sum of the leaves by following the links of the file's nodes.
    private func walk(_ forest: LearnedWeights.Forest, _ row: [UInt8]) -> Float {
        var sum = 0
        for root in forest.roots {
            var at = Int(root)
            while forest.nodes[at].feature != 255 {
                at += row[Int(forest.nodes[at].feature)] > forest.nodes[at].bin ? Int(forest.nodes[at].value) : 1
            }
            sum += Int(forest.nodes[at].value)
        }
        return forest.base + Float(sum) * forest.scale
    }

    @Test func completeTreesSayWhatTheLinkedOnesSay() {
        let (forest, rows, _) = grown()
        #expect(forest.roots.count > 100 && forest.roots.count % 8 != 1)
        let complete = LearnedWeights.CompleteForest(forest)
        #expect((1...5).contains(complete.depth))
        // A count that is no multiple of eight takes the loop for the last few.
        let odd = LearnedWeights.Forest(
            nodes: forest.nodes, roots: Array(forest.roots.dropLast(3)), base: forest.base, scale: forest.scale)
        let completeOdd = LearnedWeights.CompleteForest(odd)
        for row in rows {
            var bins = InlineArray<88, UInt8>(repeating: 0)
            for feature in 0..<88 { bins[feature] = row[feature] }
            #expect(complete.predict(bins) == walk(forest, row))
            #expect(completeOdd.predict(bins) == walk(odd, row))
        }
    }

    @Test func treesLearnWhatDependsOnTwoFeatures() {
        let (forest, rows, targets) = grown()
        let complete = LearnedWeights.CompleteForest(forest)
        var error: Float = 0
        for (row, target) in zip(rows, targets) {
            var bins = InlineArray<88, UInt8>(repeating: 0)
            for feature in 0..<88 { bins[feature] = row[feature] }
            let off = complete.predict(bins) - target
            error += off * off / Float(rows.count)
        }
        #expect(error < 0.02, "the targets' variance is about 0.2")
    }
}
