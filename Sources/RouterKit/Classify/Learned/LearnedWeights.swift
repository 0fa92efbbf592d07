/// What a ``LearnedClassifier`` has learned: shared topic heads and one expert per family of prompts and pool.
///
/// On disk: magic, format, length, contents, SHA-256; see `LearnedWeights+File`. Immutable, shared between threads.
public final class LearnedWeights: Sendable {
    /// The format that this program reads and writes.
    public static let format: UInt32 = 1

    /// Changes whenever a prediction can change: the beginning of the contents' SHA-256.
    public let version: String
    /// Names of the families that have an expert, in the file's order; the last one may be the joint expert.
    public var families: [String] { experts.map(\.family) }

    let shared: SharedHeads
    let experts: [Expert]
    /// Per expert its forests as inference walks them.
    let trees: [[CompleteForest]]

    init(shared: SharedHeads, experts: [Expert], version: String) {
        self.shared = shared
        self.experts = experts
        trees = experts.map { $0.forests.map(CompleteForest.init) }
        self.version = version
    }

    /// Heads that all experts share: 24 directions of topic and up to 8 family indicators, linear in words and counts.
    struct SharedHeads: Sendable {
        static let topicCount = 24
        static let familyCount = 8
        static let width = 32
        /// Tree features: counts, then topics.
        static let featureCount = PromptScan.countCount + topicCount
        /// A tree feature's value is a bin below this.
        static let binCount = 64

        /// Per bucket: topics, then families.
        var words: [SIMD32<Int8>]
        /// Value of one step per column.
        var scale: SIMD32<Float>
        var bias: SIMD32<Float>
        /// Per count and column, for standardised counts.
        var dense: [SIMD32<Float>]
        /// Of sign * log1p of each count.
        var mean: [Float]
        /// 1 / (standard deviation * sqrt(counts)).
        var inverse: [Float]
        /// Per tree feature `binCount - 1` ascending edges.
        var edges: [Float]
    }

    /// What is known of one family of prompts answered by one pool of models.
    struct Expert: Sendable {
        /// The source's name; empty for the joint expert, whose models are the tiers.
        var family: String
        /// Weakest first; the last is the reference.
        var models: [String]
        /// Column of the family's indicator in the shared heads; -1 for none.
        var familyColumn: Int
        /// Training rows.
        var rowCount: Int
        /// The ridge heads' part in a prediction; trees have the rest.
        var ridgeShare: Float
        /// Per bucket: the reference's quality, then the gain of the reference over each other model.
        var words: [SIMD16<Int8>]
        var scale: SIMD16<Float>
        var bias: SIMD16<Float>
        var dense: [SIMD16<Float>]
        /// Per head, in the order of `words`' columns.
        var forests: [Forest]
        /// Marks (bits) that occurred in at least 3 training prompts.
        var marks: [UInt64]
        /// 0.5 and median points of coverage, family indicator and distance, for `support`.
        var support: SupportScale
    }

    /// Where a measure says "as usual" and where it says "no longer".
    struct SupportScale: Sendable, Hashable {
        /// Share of marks known: lowest 4 % and median of held-out prompts of the family.
        var coverage: SIMD2<Float>
        /// Family indicator: the same.
        var family: SIMD2<Float>
        /// Mean squared distance from the family's centre: highest 4 % and median.
        var distance: SIMD2<Float>
        /// Centre and inverse deviation of counts (standardised) and topics.
        var centre: [Float]
        var inverse: [Float]
    }

    /// Boosted trees of one head, as the file holds them.
    struct Forest: Sendable, Hashable {
        /// A leaf has feature 255 and its value in `value`; else bins above `bin` go `value` nodes on, others to
        /// the next node.
        struct Node: Sendable, Hashable {
            var feature: UInt8
            var bin: UInt8
            var value: Int16
        }

        var nodes: [Node]
        /// Position of each tree's root.
        var roots: [Int32]
        var base: Float
        var scale: Float
    }

    /// A forest filled up to complete trees, so that a walk needs neither links nor tests for a leaf.
    struct CompleteForest: Sendable {
        /// Levels of every tree.
        let depth: Int
        /// Trees.
        let count: Int
        /// Feature and bin per inner node, root first.
        let splits: [UInt8]
        let leaves: [Int16]
        let base: Float
        let scale: Float

        init(_ forest: Forest) {
            let depth = forest.depth
            var splits = [UInt8](repeating: 0, count: forest.roots.count * 2 * ((1 << depth) - 1))
            var leaves = [Int16](repeating: 0, count: forest.roots.count << depth)
            func fill(_ tree: Int, _ node: Int, _ place: Int, _ level: Int) {
                if level == depth {
                    leaves[(tree << depth) + place - (1 << depth) + 1] = forest.nodes[node].value
                    return
                }
                let split = 2 * (tree * ((1 << depth) - 1) + place)
                let isLeaf = forest.nodes[node].feature == 255
                // Below a leaf both ways lead to its value.
                (splits[split], splits[split + 1]) =
                    isLeaf ? (0, 255) : (forest.nodes[node].feature, forest.nodes[node].bin)
                fill(tree, isLeaf ? node : node + 1, 2 * place + 1, level + 1)
                fill(tree, isLeaf ? node : node + Int(forest.nodes[node].value), 2 * place + 2, level + 1)
            }
            for (tree, root) in forest.roots.enumerated() { fill(tree, Int(root), 0, 0) }
            self.depth = depth
            count = forest.roots.count
            self.splits = splits
            self.leaves = leaves
            base = forest.base
            scale = forest.scale
        }
    }
}

extension LearnedWeights.Forest {
    /// Trees may have this many levels below the root.
    static let mostDepth = 8

    /// Levels of the deepest tree, at most one more than ``mostDepth``: no walk goes further.
    var depth: Int {
        func depth(_ node: Int, _ level: Int) -> Int {
            guard nodes[node].feature != 255, level <= Self.mostDepth else { return level }
            return max(depth(node + 1, level + 1), depth(node + Int(nodes[node].value), level + 1))
        }
        return roots.reduce(0) { max($0, depth(Int($1), 0)) }
    }
}
