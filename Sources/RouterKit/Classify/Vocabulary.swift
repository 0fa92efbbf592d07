/// The known words as an open-addressed hash table: one probe or two a word, no strings at run time.
///
/// Words are compared by a 64-bit hash only. With about a thousand words the chance that an unknown word of a
/// prompt looks like a known one is about 1000 / 2^64: never, for a classifier that is wrong in one case of four.
struct Vocabulary: Sendable {
    /// The hash of the empty word; feed letters with `extend`.
    static let emptyHash: UInt64 = 0xcbf2_9ce4_8422_2325

    private let hashes: [UInt64]
    private let classes: [WordClass.RawValue]
    private let mask: Int

    /// Builds the table of `WordClass.lexicon`.
    init() {
        var known: [UInt64: WordClass] = [:]
        for (wordClass, words) in WordClass.lexicon {
            for entry in words.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
                let parts = entry.split(separator: "_").map { Self.hash(of: $0) }
                switch parts.count {
                case 1: known[parts[0], default: []].insert(wordClass)
                default:
                    known[parts[0], default: []].insert(.phraseHead)
                    known[Self.pair(parts[0], parts[1]), default: []].insert(wordClass)
                }
            }
        }
        var size = 64
        while size < known.count * 3 { size *= 2 }
        var hashes = [UInt64](repeating: 0, count: size)
        var classes = [WordClass.RawValue](repeating: 0, count: size)
        for (hash, wordClass) in known {
            var slot = Int(truncatingIfNeeded: hash >> 20) & (size - 1)
            while hashes[slot] != 0 { slot = (slot + 1) & (size - 1) }
            hashes[slot] = hash
            classes[slot] = wordClass.rawValue
        }
        self.hashes = hashes
        self.classes = classes
        mask = size - 1
    }

    /// The classes of the word or phrase of that hash; empty when it is not known.
    func classes(of hash: UInt64) -> WordClass {
        var slot = Int(truncatingIfNeeded: hash >> 20) & mask
        while hashes[slot] != 0 {
            if hashes[slot] == hash { return WordClass(rawValue: classes[slot]) }
            slot = (slot + 1) & mask
        }
        return []
    }

    /// `hash` of a word, extended by one lower-case letter (FNV-1a).
    static func extend(_ hash: UInt64, by letter: UInt8) -> UInt64 {
        (hash ^ UInt64(letter)) &* 0x100_0000_01b3
    }

    /// The hash of two words in a row.
    static func pair(_ first: UInt64, _ second: UInt64) -> UInt64 {
        (first &* 0x9e37_79b9_7f4a_7c15) ^ second
    }

    private static func hash(of word: some StringProtocol) -> UInt64 {
        word.utf8.reduce(emptyHash) { extend($0, by: $1) }
    }
}
