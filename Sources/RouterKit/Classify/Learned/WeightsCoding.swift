/// Writes the parts of a weights file: numbers little-endian, columns that are not used left out.
struct WeightsWriter {
    var bytes: [UInt8] = []

    mutating func word(_ value: UInt32) {
        for shift in 0..<4 { bytes.append(UInt8(value >> (8 * UInt32(shift)) & 255)) }
    }

    mutating func float(_ value: Float) { word(value.bitPattern) }

    mutating func floats(_ values: [Float]) { for value in values { float(value) } }

    mutating func text(_ text: String) {
        word(UInt32(text.utf8.count))
        bytes += Array(text.utf8)
    }

    mutating func shared(_ shared: LearnedWeights.SharedHeads) {
        for row in shared.words { for column in 0..<32 { bytes.append(UInt8(bitPattern: row[column])) } }
        floats((0..<32).map { shared.scale[$0] })
        floats((0..<32).map { shared.bias[$0] })
        for row in shared.dense { for column in 0..<32 { float(row[column]) } }
        floats(shared.mean)
        floats(shared.inverse)
        floats(shared.edges)
    }

    mutating func expert(_ expert: LearnedWeights.Expert) {
        text(expert.family)
        word(UInt32(expert.models.count))
        for model in expert.models { text(model) }
        word(UInt32(expert.familyColumn + 1))
        word(UInt32(expert.rowCount))
        float(expert.ridgeShare)
        let width = expert.models.count
        for row in expert.words { for column in 0..<width { bytes.append(UInt8(bitPattern: row[column])) } }
        floats((0..<width).map { expert.scale[$0] })
        floats((0..<width).map { expert.bias[$0] })
        for row in expert.dense { for column in 0..<width { float(row[column]) } }
        for forest in expert.forests { self.forest(forest) }
        for mark in expert.marks {
            word(UInt32(truncatingIfNeeded: mark))
            word(UInt32(truncatingIfNeeded: mark >> 32))
        }
        for scale in [expert.support.coverage, expert.support.family, expert.support.distance] {
            floats([scale.x, scale.y])
        }
        floats(expert.support.centre)
        floats(expert.support.inverse)
    }

    private mutating func forest(_ forest: LearnedWeights.Forest) {
        word(UInt32(forest.roots.count))
        for root in forest.roots { word(UInt32(root)) }
        word(UInt32(forest.nodes.count))
        for node in forest.nodes {
            let value = UInt16(bitPattern: node.value)
            bytes += [node.feature, node.bin, UInt8(value & 255), UInt8(value >> 8)]
        }
        float(forest.base)
        float(forest.scale)
    }
}

/// Reads the parts of a weights file. Nothing is trusted: what inference indexes by is checked here, once.
struct WeightsReader {
    private let bytes: [UInt8]
    private var at: Int
    private let end: Int

    init(bytes: [UInt8], at: Int, end: Int? = nil) {
        self.bytes = bytes
        self.at = at
        self.end = end ?? bytes.count
    }

    var isAtEnd: Bool { at == end }

    static func invalid(_ what: String) -> LearnedWeightsError {
        LearnedWeightsError(
            code: .invalid,
            detail: "The weights file (format \(LearnedWeights.format)) is not usable: \(what). Train again.")
    }

    private mutating func take(_ count: Int) throws(LearnedWeightsError) -> Int {
        guard count <= end - at else { throw Self.invalid("it ends within a part") }
        at += count
        return at - count
    }

    mutating func word() throws(LearnedWeightsError) -> UInt32 {
        let first = try take(4)
        var value: UInt32 = 0
        for offset in 0..<4 { value |= UInt32(bytes[first + offset]) << UInt32(8 * offset) }
        return value
    }

    mutating func count(_ range: ClosedRange<Int>) throws(LearnedWeightsError) -> Int {
        let value = Int(try word())
        guard range.contains(value) else { throw Self.invalid("a count of \(value) is not in \(range)") }
        return value
    }

    private mutating func float() throws(LearnedWeightsError) -> Float {
        let value = Float(bitPattern: try word())
        guard value.isFinite, abs(value) < 1e12 else { throw Self.invalid("a number is not finite") }
        return value
    }

    private mutating func floats(_ count: Int) throws(LearnedWeightsError) -> [Float] {
        guard count * 4 <= end - at else { throw Self.invalid("it ends within a part") }
        var values: [Float] = []
        values.reserveCapacity(count)
        for _ in 0..<count { values.append(try float()) }
        return values
    }

    private mutating func text() throws(LearnedWeightsError) -> String {
        let length = try count(0...512)
        let first = try take(length)
        return String(decoding: bytes[first..<(first + length)], as: UTF8.self)
    }

    mutating func shared() throws(LearnedWeightsError) -> LearnedWeights.SharedHeads {
        let first = try take(PromptScan.bucketCount * 32)
        let words = (0..<PromptScan.bucketCount).map { row in
            var lanes = SIMD32<Int8>(repeating: 0)
            for column in 0..<32 { lanes[column] = Int8(bitPattern: bytes[first + row * 32 + column]) }
            return lanes
        }
        let scale = SIMD32(try floats(32))
        let bias = SIMD32(try floats(32))
        let dense = try floats(64 * 32)
        let shared = LearnedWeights.SharedHeads(
            words: words, scale: scale, bias: bias,
            dense: (0..<64).map { row in
                var lanes = SIMD32<Float>(repeating: 0)
                for column in 0..<32 { lanes[column] = dense[row * 32 + column] }
                return lanes
            },
            mean: try floats(64), inverse: try floats(64),
            edges: try floats(
                LearnedWeights.SharedHeads.featureCount * (LearnedWeights.SharedHeads.binCount - 1)))
        return shared
    }

    mutating func expert() throws(LearnedWeightsError) -> LearnedWeights.Expert {
        let family = try text()
        let width = try count(2...16)
        var models: [String] = []
        for _ in 0..<width { models.append(try text()) }
        guard Set(models).count == width else { throw Self.invalid("a model is named twice") }
        let familyColumn = try count(0...8) - 1
        let rowCount = Int(try word())
        let ridgeShare = try float()
        let first = try take(PromptScan.bucketCount * width)
        let words = (0..<PromptScan.bucketCount).map { row in
            var lanes = SIMD16<Int8>(repeating: 0)
            for column in 0..<width { lanes[column] = Int8(bitPattern: bytes[first + row * width + column]) }
            return lanes
        }
        let scale = SIMD16(try floats(width) + [Float](repeating: 0, count: 16 - width))
        let bias = SIMD16(try floats(width) + [Float](repeating: 0, count: 16 - width))
        let dense = try floats(64 * width)
        var forests: [LearnedWeights.Forest] = []
        for _ in 0..<width { forests.append(try forest()) }
        var marks: [UInt64] = []
        for _ in 0..<1_024 { marks.append(UInt64(try word()) | UInt64(try word()) << 32) }
        let places = try floats(6)
        return LearnedWeights.Expert(
            family: family, models: models, familyColumn: familyColumn, rowCount: rowCount, ridgeShare: ridgeShare,
            words: words, scale: scale, bias: bias,
            dense: (0..<64).map { row in
                var lanes = SIMD16<Float>(repeating: 0)
                for column in 0..<width { lanes[column] = dense[row * width + column] }
                return lanes
            },
            forests: forests, marks: marks,
            support: LearnedWeights.SupportScale(
                coverage: SIMD2(places[0], places[1]), family: SIMD2(places[2], places[3]),
                distance: SIMD2(places[4], places[5]), centre: try floats(88), inverse: try floats(88)))
    }

    private mutating func forest() throws(LearnedWeightsError) -> LearnedWeights.Forest {
        let rootCount = try count(0...4_096)
        var roots: [Int32] = []
        for _ in 0..<rootCount { roots.append(Int32(try count(0...1_000_000))) }
        let nodeCount = try count(0...262_144)
        var nodes: [LearnedWeights.Forest.Node] = []
        for _ in 0..<nodeCount {
            let first = try take(4)
            let value = UInt16(bytes[first + 2]) | UInt16(bytes[first + 3]) << 8
            nodes.append(
                LearnedWeights.Forest.Node(
                    feature: bytes[first], bin: bytes[first + 1], value: Int16(bitPattern: value)))
        }
        // Every walk goes forward and stays inside: it ends.
        for (index, node) in nodes.enumerated() where node.feature != 255 {
            guard node.feature < 88, node.value >= 1, index + max(1, Int(node.value)) < nodes.count else {
                throw Self.invalid("a tree leads outside")
            }
        }
        guard nodes.last.map({ $0.feature == 255 }) ?? true, roots.allSatisfy({ $0 < nodes.count }) else {
            throw Self.invalid("a tree has no end")
        }
        let forest = LearnedWeights.Forest(nodes: nodes, roots: roots, base: try float(), scale: try float())
        guard forest.depth <= LearnedWeights.Forest.mostDepth else { throw Self.invalid("a tree is too deep") }
        return forest
    }
}
