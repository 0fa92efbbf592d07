/// The phrases of a ``GuardSet`` as one hash table over words, beginnings of words, and sequences of words.
struct GuardTable: Sendable {
    /// What a key stands for.
    struct Entry: Sendable {
        var key: UInt64 = 0
        /// Rule that a match belongs to; -1 when no phrase ends here.
        var rule: Int16 = -1
        var isHint = false
        /// A longer phrase goes on from here.
        var goesOn = false
    }

    static let mostWords = 6
    /// A beginning shorter than this would match half of a language.
    static let fewestLetters = 3

    private(set) var entries = [Entry](repeating: Entry(), count: 64)
    private var count = 0
    /// One bit per hash of a beginning: most letters need no look-up.
    private(set) var beginnings = [UInt64](repeating: 0, count: 64)

    /// Adds a phrase.
    mutating func add(_ phrase: String, rule: Int, name: String, isHint: Bool) throws(GuardError) {
        var words: [UInt64] = []
        var letters = 0
        let isBeginning = phrase.hasSuffix("*")
        let text = Array((isBeginning ? String(phrase.dropLast()) : phrase).utf8)
        FoldedWords.read(text.span) { event in
            switch event {
            case .letter(_, let count): letters = count
            case .word(let hash): words.append(hash)
            }
        }
        guard (1...Self.mostWords).contains(words.count), !text.contains(UInt8(ascii: "*")) else {
            throw GuardError(
                code: .badPhrase, rule: name,
                detail: "\"\(phrase)\" must be 1 to \(Self.mostWords) words; a * may only end the last one")
        }
        guard !isBeginning || letters >= Self.fewestLetters && text.last != UInt8(ascii: " ") else {
            throw GuardError(
                code: .badPhrase, rule: name,
                detail: "\"\(phrase)\" must have \(Self.fewestLetters) letters or more before the *")
        }
        var sequence: UInt64 = 0
        for (index, word) in words.enumerated() {
            let isLast = index == words.count - 1
            sequence = index == 0 ? word : Self.following(sequence, word)
            let key = isLast && isBeginning ? Self.beginning(sequence) : sequence
            update(key) { entry in
                if !isLast {
                    entry.goesOn = true
                } else if entry.rule < 0 || entry.isHint && !isHint {
                    entry.rule = Int16(rule)
                    entry.isHint = isHint
                }
            }
        }
        if isBeginning {
            let bit = Self.slot(words[words.count - 1]) & 4_095
            beginnings[bit >> 6] |= 1 << UInt64(bit & 63)
        }
    }

    /// The key of a sequence of words that goes on with `word`.
    @inline(__always)
    static func following(_ sequence: UInt64, _ word: UInt64) -> UInt64 {
        ((sequence << 7 | sequence >> 57) ^ word) &* 0x9E37_79B9_7F4A_7C15
    }

    /// The key of a last word that may go on.
    @inline(__always)
    static func beginning(_ key: UInt64) -> UInt64 { key ^ 0xA5A5_5A5A_C3C3_3C3C }

    @inline(__always)
    static func slot(_ key: UInt64) -> Int { Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 32) }

    /// Whether some phrase's last word may begin with letters of this hash.
    @inline(__always)
    func mayBegin(_ hash: UInt64) -> Bool {
        let bit = Self.slot(hash) & 4_095
        return beginnings[bit >> 6] & 1 << UInt64(bit & 63) != 0
    }

    /// The entry of `key`; `nil` when there is none.
    @inline(__always)
    func find(_ key: UInt64) -> Entry? {
        let mask = entries.count - 1
        var slot = Self.slot(key) & mask
        while true {
            let entry = entries[slot]
            if entry.key == key { return entry }
            if entry.key == 0 { return nil }
            slot = (slot + 1) & mask
        }
    }

    private mutating func update(_ key: UInt64, _ change: (inout Entry) -> Void) {
        if count * 4 > entries.count { grow() }
        let slot = freeSlot(key)
        if entries[slot].key == 0 {
            entries[slot].key = key
            count += 1
        }
        change(&entries[slot])
    }

    private func freeSlot(_ key: UInt64) -> Int {
        let mask = entries.count - 1
        var slot = Self.slot(key) & mask
        while entries[slot].key != 0, entries[slot].key != key { slot = (slot + 1) & mask }
        return slot
    }

    private mutating func grow() {
        let old = entries
        entries = [Entry](repeating: Entry(), count: old.count * 2)
        for entry in old where entry.key != 0 { entries[freeSlot(entry.key)] = entry }
    }
}

/// Looks for the phrases of a table in texts, in one pass each.
struct GuardMatcher {
    private let table: GuardTable
    /// The first rule that matched.
    private(set) var found: Int?
    /// Sequences of words that some phrase goes on from.
    private var open = InlineArray<8, UInt64>(repeating: 0)
    private var openCount = 0
    /// Per rule the first hint seen, 0 for none.
    private var hints: [UInt64]

    init(_ table: GuardTable, ruleCount: Int) {
        self.table = table
        hints = [UInt64](repeating: 0, count: ruleCount)
    }

    /// Reads one text; phrases do not reach from one text into the next.
    mutating func read(_ text: Span<UInt8>) {
        openCount = 0
        FoldedWords.read(text) { event in
            switch event {
            case .letter(let hash, let count):
                if count >= GuardTable.fewestLetters, table.mayBegin(hash) { begins(hash) }
            case .word(let hash): word(hash)
            }
        }
    }

    /// The word so far is `hash`: it may be all that a phrase wants.
    private mutating func begins(_ hash: UInt64) {
        take(GuardTable.beginning(hash))
        for index in 0..<openCount { take(GuardTable.beginning(GuardTable.following(open[index], hash))) }
    }

    @inline(__always)
    private mutating func word(_ hash: UInt64) {
        var next = InlineArray<8, UInt64>(repeating: 0)
        var nextCount = 0
        if take(hash) { (next[0], nextCount) = (hash, 1) }
        for index in 0..<openCount {
            let key = GuardTable.following(open[index], hash)
            if take(key), nextCount < 8 { (next[nextCount], nextCount) = (key, nextCount + 1) }
        }
        (open, openCount) = (next, nextCount)
    }

    /// Counts the match of `key`, if there is one; whether a phrase goes on from it.
    @inline(__always)
    @discardableResult
    private mutating func take(_ key: UInt64) -> Bool {
        guard let entry = table.find(key) else { return false }
        let rule = Int(entry.rule)
        if rule >= 0, found == nil {
            if !entry.isHint {
                found = rule
            } else if hints[rule] == 0 {
                hints[rule] = key
            } else if hints[rule] != key {
                found = rule
            }
        }
        return entry.goesOn
    }
}
