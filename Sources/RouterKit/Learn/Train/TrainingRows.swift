/// Outcome rows as the trainer works on them: buckets, marks and counts of each prompt.
struct TrainingRows: Sendable {
    /// First bucket of each row, and the end.
    var starts: [Int] = [0]
    var buckets: [UInt16] = []
    var marks: [UInt16] = []
    /// 1 / sqrt(buckets of the row).
    var value: [Float] = []
    /// 64 raw counts a row.
    var counts: [Float] = []
    /// 64 standardised counts a row; empty until `standardise`.
    var dense: [Float] = []
    /// Rows of the same question have the same stem.
    var stem: [UInt64] = []
    /// Position of each row in the rows given.
    var origin: [Int] = []

    var count: Int { value.count }

    /// Scans `rows`; those without a word are left out.
    init(_ rows: [OutcomeRow], threads: Int) {
        let parts = (rows.count + 511) / 512
        let scanned = TrainingThreads.map(parts, threads: threads) { part in
            var piece = TrainingRows()
            for index in (part * 512)..<min(rows.count, part * 512 + 512) { piece.add(rows[index], at: index) }
            return piece
        }
        for piece in scanned { append(piece) }
    }

    private init() {}

    private mutating func add(_ row: OutcomeRow, at index: Int) {
        guard let request = try? RequestView(asking: String(decoding: row.prompt, as: UTF8.self)) else { return }
        let scan = PromptScan(request.ask.decisiveBytes.span)
        guard scan.wordsCount > 0 else { return }
        for position in 0..<scan.bucketsCount {
            buckets.append(scan.buckets[position])
            marks.append(scan.marks[position])
        }
        starts.append(buckets.count)
        value.append(scan.value)
        for position in 0..<64 { counts.append(scan.counts[position]) }
        stem.append(Self.stem(row.prompt))
        origin.append(index)
    }

    private mutating func append(_ piece: TrainingRows) {
        let offset = buckets.count
        starts += piece.starts.dropFirst().map { $0 + offset }
        buckets += piece.buckets
        marks += piece.marks
        value += piece.value
        counts += piece.counts
        stem += piece.stem
        origin += piece.origin
    }

    /// Letters and digits of the prompt up to the first line of answers to choose, hashed: answers are shuffled
    /// between sources, questions are not.
    static func stem(_ prompt: [UInt8]) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for (index, byte) in prompt.enumerated() {
            if byte == 0x0A, index + 2 < prompt.count, prompt[index + 1] | 0x20 == 0x61,
                !PromptScan.isWord(prompt[index + 2]), index > 12
            {
                break
            }
            guard PromptScan.isWord(byte) else { continue }
            hash = (hash ^ UInt64(byte | 0x20)) &* 0x100_0000_01B3
        }
        return hash ^ hash >> 29
    }

    /// Fold of `row` among `folds`: rows of the same stem share it.
    func fold(_ row: Int, of folds: Int, seed: UInt64) -> Int {
        var random = SeededRandom(seed: stem[row] ^ seed)
        return Int(random.next() % UInt64(folds))
    }

    /// Means and inverse deviations of the squashed counts.
    func standard() -> (mean: [Float], inverse: [Float]) {
        var mean = [Float](repeating: 0, count: 64)
        var inverse = [Float](repeating: 0, count: 64)
        for feature in 0..<64 {
            var (sum, squares) = (0.0, 0.0)
            for row in 0..<count {
                let raw = LearnedWeights.SharedHeads.logged(counts[row * 64 + feature])
                sum += Double(raw)
                squares += Double(raw) * Double(raw)
            }
            let average = sum / Double(max(1, count))
            let deviation = max(0, squares / Double(max(1, count)) - average * average).squareRoot()
            mean[feature] = Float(average)
            inverse[feature] = Float(1 / (max(0.05, deviation) * 8))
        }
        return (mean, inverse)
    }

    /// Fills `dense`.
    mutating func standardise(mean: [Float], inverse: [Float]) {
        dense = [Float](repeating: 0, count: counts.count)
        for index in counts.indices {
            dense[index] = LearnedWeights.SharedHeads.squashed(counts[index], mean[index & 63], inverse[index & 63])
        }
    }
}
