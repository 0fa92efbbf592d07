/// An answer as a bag of words and of letter triples.
struct AnswerWords {
    private var words: [UInt64: Int] = [:]
    private var wordCount = 0
    private var triples: [UInt32: Int] = [:]

    init(_ text: ArraySlice<UInt8>) {
        var index = text.startIndex
        while let word = AnswerText.word(text, &index, within: .max - index) {
            var hash: UInt64 = 0xCBF2_9CE4_8422_2325
            for byte in text[word] { hash = (hash ^ UInt64(AnswerText.lowered(byte))) &* 0x100_0000_01B3 }
            words[hash, default: 0] += 1
            wordCount += 1
        }
        let plain = AnswerMatch.normalised(text) ?? []
        guard plain.count >= 3 else { return }
        for index in 0..<plain.count - 2 {
            triples[
                UInt32(plain[index]) << 16 | UInt32(plain[index + 1]) << 8 | UInt32(plain[index + 2]), default: 0] += 1
        }
    }

    /// Harmonic mean of the shares of words that each has of the other (as in SQuAD's F1).
    func tokenF1(_ other: AnswerWords) -> Double {
        guard wordCount > 0, other.wordCount > 0 else { return 0 }
        let shared = words.reduce(0) { $0 + min($1.value, other.words[$1.key] ?? 0) }
        return 2 * Double(shared) / Double(wordCount + other.wordCount)
    }

    /// Cosine of the counts of letter triples.
    func trigramCosine(_ other: AnswerWords) -> Double {
        // Of texts too short for triples only the words count.
        guard !triples.isEmpty, !other.triples.isEmpty else { return 1 }
        let product = triples.reduce(0.0) { $0 + Double($1.value) * Double(other.triples[$1.key] ?? 0) }
        let square = { (bag: [UInt32: Int]) in bag.values.reduce(0.0) { $0 + Double($1) * Double($1) } }
        return product / (square(triples) * square(other.triples)).squareRoot()
    }
}
