import Glibc

/// Counts of a text's structure, kept while it is scanned: lengths, numbers, marks, answers to choose from, code.
struct StructureCounts {
    private var marks = InlineArray<128, Int32>(repeating: 0)
    private var wordBytes = 0
    private var longWords = 0
    private var stopWords = 0
    private var newWords = 0
    private var upper = 0
    private var capitalised = 0
    private var numbers = 0
    private var longNumbers = 0
    private var oneDigit = 0
    private var decimals = 0
    private var greatest: Float = 0
    private var total: Float = 0
    private var romans = 0
    private var blankLines = 0
    private var indented = 0
    private var deeper = 0
    private var sentences = 0
    private var dunders = 0
    private var definitions = 0
    private var returns = 0
    private var negations = 0
    private var asks = 0
    private var stem: (bytes: Int, words: Int, questions: Int32, last: UInt8) = (-1, 0, 0, 0)
    private var words = 0
    private var options = 0
    private var optionStart = -1
    private var optionBytes: (sum: Float, squares: Float, most: Float) = (0, 0, 0)
    private var optionHasDigit = false
    private var optionHasLetter = false
    private var digitOptions = 0
    private var numericOptions = 0
    private var catchAllOptions = 0
    private var lastInk: UInt8 = 0

    /// A byte that belongs to no word.
    mutating func mark(_ byte: UInt8, at index: Int, in text: Span<UInt8>) {
        marks[Int(byte & 127)] += 1
        if byte > 0x20 { lastInk = byte }
        switch byte {
        case 0x0A: lineEnded(at: index, in: text)
        case 0x2E, 0x21, 0x3F:
            if index + 1 == text.count || text[index + 1] <= 0x20 { sentences += 1 }
            if byte == 0x2E, index > 0, index + 1 < text.count, Self.isDigit(text[index - 1]),
                Self.isDigit(text[index + 1])
            {
                decimals += 1
            }
        case 0x5F where index + 1 < text.count && text[index + 1] == 0x5F: dunders += 1
        default: break
        }
    }

    private mutating func lineEnded(at index: Int, in text: Span<UInt8>) {
        if index > 0, text[index - 1] == 0x0A { blankLines += 1 }
        endOption(at: index)
        var next = index + 1
        var spaces = 0
        while next < text.count, text[next] == 0x20 || text[next] == 0x09 {
            spaces += text[next] == 0x09 ? 4 : 1
            next += 1
        }
        if spaces >= 4 { indented += 1 }
        if spaces >= 8 { deeper += 1 }
        if next < text.count, text[next] == 0x28 { next += 1 }
        guard next + 1 < text.count, text[next] >= 0x41, text[next] <= 0x4A,
            text[next + 1] == 0x2E || text[next + 1] == 0x29
        else { return }
        if stem.bytes < 0 { stem = (index, words, marks[0x3F], lastInk) }
        options += 1
        optionStart = next + 2
        optionHasDigit = false
        optionHasLetter = false
    }

    private mutating func endOption(at index: Int) {
        guard optionStart >= 0 else { return }
        let length = Float(max(0, index - optionStart))
        optionBytes = (
            optionBytes.sum + length, optionBytes.squares + length * length, max(optionBytes.most, length)
        )
        if optionHasDigit { digitOptions += 1 }
        if !optionHasLetter { numericOptions += 1 }
        optionStart = -1
    }

    /// The word in `start..<end`.
    mutating func word(_ text: Span<UInt8>, _ start: Int, _ end: Int, isNew: Bool) {
        let length = end - start
        words += 1
        lastInk = text[end - 1]
        wordBytes += length
        if length >= 9 { longWords += 1 }
        if isNew { newWords += 1 }
        let first = text[start]
        if first >= 0x41, first <= 0x5A, words > 1 { capitalised += 1 }
        if Self.isDigit(first) { number(text, start, end) }
        var key: UInt64 = 0
        var isRoman = true
        for index in start..<end {
            let byte = text[index]
            if byte >= 0x41, byte <= 0x5A { upper += 1 }
            if byte != 0x49, byte != 0x56 { isRoman = false }
            if index - start < 8 { key = key << 8 | UInt64(byte | 0x20) }
        }
        if isRoman { romans += 1 }
        if optionStart >= 0, start >= optionStart {
            if Self.isDigit(first) { optionHasDigit = true } else { optionHasLetter = true }
            if start <= optionStart + 1, Self.catchAll.contains(key) { catchAllOptions += 1 }
        }
        guard length <= 6 else { return }
        if Self.isStopWord(key) { stopWords += 1 }
        switch key {
        case 0x64_65_66: definitions += 1
        case 0x72_65_74_75_72_6E: returns += 1
        case 0x6E_6F_74, 0x65_78_63_65_70_74: negations += 1
        case 0x77_68_79, 0x68_6F_77, 0x70_72_6F_76_65: asks += 1
        default: break
        }
    }

    private mutating func number(_ text: Span<UInt8>, _ start: Int, _ end: Int) {
        numbers += 1
        var value: Float = 0
        var digits = 0
        while start + digits < end, Self.isDigit(text[start + digits]), digits < 9 {
            value = value * 10 + Float(text[start + digits] - 0x30)
            digits += 1
        }
        if digits >= 3 { longNumbers += 1 }
        if digits == 1 { oneDigit += 1 }
        greatest = max(greatest, value)
        total += value
    }

    /// Writes the counts.
    mutating func finish(
        _ text: Span<UInt8>, words wordsCount: Int, foreign: Int, into counts: inout InlineArray<64, Float>
    ) {
        endOption(at: text.count)
        if stem.bytes < 0 { stem = (text.count, wordsCount, marks[0x3F], lastInk) }
        let bytes = Float(max(1, text.count))
        let words = Float(max(1, wordsCount))
        let choices = Float(max(1, options))
        var next = 0
        func put(_ value: Float) {
            counts[next] = value
            next += 1
        }
        put(log1pf(bytes))
        put(log1pf(words))
        put(log1pf(Float(stem.bytes)))
        put(log1pf(Float(stem.words)))
        put(Float(wordBytes) / words)
        put(Float(longWords) / words)
        put(Float(longWords))
        put(Float(blankLines))
        put(Float(numbers))
        put(Float(numbers) / words)
        put(powf(greatest, 0.25))
        put(Float(decimals))
        put(Float(longNumbers))
        put(Float(oneDigit))
        put(log1pf(total))
        put(Float(stem.questions))
        put(Float(marks[0x3F]))
        for mark in 0..<20 { put(Float(marks[Int(Self.markOrder[mark])])) }
        put(Float(marks[0x3C] + marks[0x3E]))
        put(Float(upper) / bytes)
        put(Float(foreign) / bytes)
        put(Float(stopWords) / words)
        put(Float(newWords) / words)
        put(Float(options))
        let mean = optionBytes.sum / choices
        put(mean)
        put(max(0, optionBytes.squares / choices - mean * mean).squareRoot())
        put(optionBytes.most)
        put(Float(digitOptions) / choices)
        put(Float(numericOptions) / choices)
        put(Float(catchAllOptions))
        put(Float(indented))
        put(Float(deeper))
        put(Float(dunders))
        put(lastInk == 0x3F ? 1 : 0)
        put(stem.last == 0x3F ? 1 : 0)
        put(stem.last == 0x3A ? 1 : 0)
        put(stem.last == 0x2E ? 1 : 0)
        put(Float(sentences))
        put(bytes / Float(sentences + 1))
        put(Float(capitalised) / words)
        put(Float(romans))
        put(Float(definitions))
        put(Float(returns))
        put(Float(negations))
        put(Float(asks))
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

    /// Marks counted one by one: newline . , " ' ( [ { \ $ ^ _ = + * / % : ; -
    private static let markOrder: InlineArray<20, UInt8> = [
        0x0A, 0x2E, 0x2C, 0x22, 0x27, 0x28, 0x5B, 0x7B, 0x5C, 0x24, 0x5E, 0x5F, 0x3D, 0x2B, 0x2A, 0x2F, 0x25, 0x3A,
        0x3B, 0x2D,
    ]
    private static let catchAll: Set<UInt64> = Set(["none", "all", "both", "neither"].map(key))
    /// Keys of the commonest words, in a table of 256 with linear probing: a `Set` hashes for longer than it takes to
    /// read the word.
    private static let stopWords: [UInt64] = {
        let words = """
            the of a to and in is for that on with as by an are be it from at or this was which have has his her their
            he she they its were what many if will can each
            """
        var table = [UInt64](repeating: 0, count: 256)
        for word in words.split(whereSeparator: \.isWhitespace) {
            var place = slot(key(String(word)))
            while table[place] != 0 { place = (place + 1) & 255 }
            table[place] = key(String(word))
        }
        return table
    }()

    private static func slot(_ key: UInt64) -> Int { Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 56) }

    private static func isStopWord(_ key: UInt64) -> Bool {
        let table = stopWords.span
        var place = slot(key)
        while table[place] != 0 {
            if table[place] == key { return true }
            place = (place + 1) & 255
        }
        return false
    }

    private static func key(_ word: String) -> UInt64 {
        word.utf8.prefix(8).reduce(0) { $0 << 8 | UInt64($1 | 0x20) }
    }
}
