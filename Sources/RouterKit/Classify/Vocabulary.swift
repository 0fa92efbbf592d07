/// The known words as an open-addressed hash table: one probe or two a word, no strings at run time.
///
/// Words are compared by a 64-bit hash only. With about a thousand words the chance that an unknown word of a
/// prompt looks like a known one is about 1000 / 2^64: never, for a classifier that is wrong in one case of four.
struct Vocabulary: Sendable {
    /// The hash of the empty word; feed letters with `extend`.
    static let emptyHash: UInt64 = 0xcbf2_9ce4_8422_2325

    private struct Slot {
        /// 0 in a free one.
        var hash: UInt64 = 0
        var classes = WordClass()
    }

    private let slots: [Slot]
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
        var slots = [Slot](repeating: Slot(), count: size)
        for (hash, wordClass) in known {
            var index = Int(truncatingIfNeeded: hash) & (size - 1)
            while slots[index].hash != 0 { index = (index + 1) & (size - 1) }
            slots[index] = Slot(hash: hash, classes: wordClass)
        }
        self.slots = slots
        mask = size - 1
    }

    /// The classes of the word or phrase of that hash; empty when it is not known.
    func classes(of hash: UInt64) -> WordClass {
        var index = Int(truncatingIfNeeded: hash) & mask
        while true {
            let slot = slots[index]
            if slot.hash == hash { return slot.classes }
            if slot.hash == 0 { return [] }
            index = (index &+ 1) & mask
        }
    }

    /// `hash` of a word, extended by up to eight lower-case letters, the first one lowest (`LetterBlock`), or by one byte of
    /// another character. One multiplication for all of them, and its high half folded into the low one, by which the table
    /// is looked into.
    @inline(__always)
    static func extend(_ hash: UInt64, by letters: UInt64) -> UInt64 {
        let mixed = (hash ^ letters) &* 0x9e37_79b9_7f4a_7c15
        return mixed ^ mixed &>> 32
    }

    /// The hash of two words in a row.
    static func pair(_ first: UInt64, _ second: UInt64) -> UInt64 {
        (first &* 0x9e37_79b9_7f4a_7c15) ^ second
    }

    private static func hash(of word: some StringProtocol) -> UInt64 {
        let bytes = Array(word.utf8)
        var hash = emptyHash
        var index = 0
        while index < bytes.count {
            let block = LetterBlock(bytes.span, at: index)
            hash = extend(hash, by: block.count > 0 ? block.letters : UInt64(bytes[index]))
            index += max(1, block.count)
        }
        return hash
    }
}
