/// Gradient boosting of regression trees on binned features (histograms, best split first), squared loss.
struct ForestFit {
    /// How a forest is grown.
    struct Options: Sendable {
        var trees: Int
        var leaves: Int
        var depth: Int
        var leastRows: Int
        var shrinkage: Float = 0.035
        var columnShare = 0.3
        var rowShare = 0.7
        var l2: Float = 10

        /// By how many rows there are: few rows bear few leaves.
        init(rowCount: Int) {
            let isSmall = rowCount < 1_500
            trees = isSmall ? 100 : 200
            leaves = isSmall ? 5 : 12
            depth = isSmall ? 3 : 5
            leastRows = isSmall ? min(40, max(8, rowCount / 12)) : 50
        }
    }

    private struct Leaf {
        var range: Range<Int>
        var sum: Float
        var depth: Int
        var split: Split?
        var children: (Int, Int)?
    }

    private struct Split {
        var gain: Float
        var feature: Int
        var bin: UInt8
        var leftSum: Float
        var leftCount: Int
    }

    private static let bins = LearnedWeights.SharedHeads.binCount
    private static let features = LearnedWeights.SharedHeads.featureCount

    private let columns: [UInt8]
    private let count: Int
    private let options: Options
    private var random: SeededRandom
    private var residual: [Float]
    private var order: [Int32] = []
    private var leaves: [Leaf] = []
    private var sums = [Float](repeating: 0, count: 64)
    private var counts = [Int32](repeating: 0, count: 64)

    /// Grows a forest for `targets`; `columns` holds the bin of each row, feature after feature.
    static func grow(columns: [UInt8], targets: [Float], options: Options, seed: UInt64) -> LearnedWeights.Forest {
        var fit = ForestFit(columns, targets, options, seed)
        return fit.run(base: targets.reduce(0, +) / Float(max(1, targets.count)))
    }

    private init(_ columns: [UInt8], _ targets: [Float], _ options: Options, _ seed: UInt64) {
        self.columns = columns
        self.options = options
        count = targets.count
        residual = targets
        random = SeededRandom(seed: seed)
    }

    private mutating func run(base: Float) -> LearnedWeights.Forest {
        for row in 0..<count { residual[row] -= base }
        var nodes: [(feature: UInt8, bin: UInt8, value: Float)] = []
        var roots: [Int32] = []
        for _ in 0..<(count >= 2 * options.leastRows ? options.trees : 0) {
            growTree()
            let root = nodes.count
            write(0, into: &nodes)
            guard nodes.count > root + 1 else {
                nodes.removeLast()
                continue
            }
            roots.append(Int32(root))
            for row in 0..<count {
                var at = root
                while nodes[at].feature != 255 {
                    at += columns[Int(nodes[at].feature) * count + row] > nodes[at].bin ? Int(nodes[at].value) : 1
                }
                residual[row] -= nodes[at].value
            }
        }
        let most = nodes.reduce(Float(1e-9)) { $1.feature == 255 ? max($0, abs($1.value)) : $0 }
        let scale = most / 32_000
        return LearnedWeights.Forest(
            nodes: nodes.map { node in
                LearnedWeights.Forest.Node(
                    feature: node.feature, bin: node.bin,
                    value: Int16((node.feature == 255 ? node.value / scale : node.value).rounded()))
            }, roots: roots, base: base, scale: scale)
    }

    private mutating func growTree() {
        order.removeAll(keepingCapacity: true)
        let rowBound = UInt64(options.rowShare * 1_024)
        var sum: Float = 0
        for row in 0..<count where random.next() & 1_023 < rowBound {
            order.append(Int32(row))
            sum += residual[row]
        }
        let columnBound = UInt64(options.columnShare * 1_024)
        let chosen = (0..<Self.features).filter { _ in random.next() & 1_023 < columnBound }
        leaves = [Leaf(range: 0..<order.count, sum: sum, depth: 0)]
        findSplit(0, chosen)
        var leafCount = 1
        while leafCount < options.leaves {
            var best: Int?
            for index in leaves.indices where leaves[index].children == nil && leaves[index].split != nil {
                if best.map({ leaves[$0].split!.gain < leaves[index].split!.gain }) ?? true { best = index }
            }
            guard let best else { return }
            divide(best)
            findSplit(leaves.count - 2, chosen)
            findSplit(leaves.count - 1, chosen)
            leafCount += 1
        }
    }

    private mutating func divide(_ index: Int) {
        let leaf = leaves[index]
        let split = leaf.split!
        var (low, high) = (leaf.range.lowerBound, leaf.range.upperBound)
        let first = split.feature * count
        while low < high {
            if columns[first + Int(order[low])] <= split.bin {
                low += 1
            } else {
                high -= 1
                order.swapAt(low, high)
            }
        }
        leaves[index].children = (leaves.count, leaves.count + 1)
        leaves.append(Leaf(range: leaf.range.lowerBound..<low, sum: split.leftSum, depth: leaf.depth + 1))
        leaves.append(Leaf(range: low..<leaf.range.upperBound, sum: leaf.sum - split.leftSum, depth: leaf.depth + 1))
    }

    private mutating func findSplit(_ index: Int, _ chosen: [Int]) {
        let leaf = leaves[index]
        let total = leaf.range.count
        guard leaf.depth < options.depth, total >= 2 * options.leastRows else { return }
        let whole = leaf.sum * leaf.sum / (Float(total) + options.l2)
        var best: Split?
        for feature in chosen {
            for bin in 0..<Self.bins { (sums[bin], counts[bin]) = (0, 0) }
            columns.withUnsafeBufferPointer { columns in
                residual.withUnsafeBufferPointer { residual in
                    order.withUnsafeBufferPointer { order in
                        sums.withUnsafeMutableBufferPointer { sums in
                            counts.withUnsafeMutableBufferPointer { counts in
                                for position in leaf.range {
                                    let row = Int(order[position])
                                    let bin = Int(columns[feature * count + row])
                                    sums[bin] += residual[row]
                                    counts[bin] += 1
                                }
                            }
                        }
                    }
                }
            }
            var (left, leftSum) = (0, Float(0))
            for bin in 0..<(Self.bins - 1) {
                left += Int(counts[bin])
                leftSum += sums[bin]
                guard left >= options.leastRows, counts[bin] > 0 else { continue }
                guard total - left >= options.leastRows else { break }
                let rightSum = leaf.sum - leftSum
                let gain =
                    leftSum * leftSum / (Float(left) + options.l2)
                    + rightSum * rightSum / (Float(total - left) + options.l2) - whole
                if gain > best?.gain ?? 1e-6 {
                    best = Split(gain: gain, feature: feature, bin: UInt8(bin), leftSum: leftSum, leftCount: left)
                }
            }
        }
        leaves[index].split = best
    }

    private func write(_ index: Int, into nodes: inout [(feature: UInt8, bin: UInt8, value: Float)]) {
        let leaf = leaves[index]
        guard let children = leaf.children, let split = leaf.split else {
            nodes.append((255, 0, options.shrinkage * leaf.sum / (Float(leaf.range.count) + options.l2)))
            return
        }
        let place = nodes.count
        nodes.append((UInt8(split.feature), split.bin, 0))
        write(children.0, into: &nodes)
        nodes[place].value = Float(nodes.count - place)
        write(children.1, into: &nodes)
    }
}
