/// What one pass over a prompt's bytes counts. Nothing is allocated.
struct TextCounts {
    var bytes = 0
    var letters = 0
    var uppercase = 0
    var digits = 0
    /// Runs of digits.
    var numbers = 0
    /// Runs of four digits or more.
    var longNumbers = 0
    var words = 0
    /// Words of nine letters or more.
    var longWords = 0
    /// Words that have any class.
    var knownWords = 0
    /// Words of eight letters or more that have no class: terms of a trade that is not known here.
    var rareWords = 0
    var lines = 0
    var sentences = 0
    var questionMarks = 0
    /// `= + * / ^ < >`, Greek letters and Unicode's mathematical operators.
    var mathsSymbols = 0
    var dollars = 0
    var backslashes = 0
    var parentheses = 0
    /// `{ } [ ] ; _ # @ | ~` and backquotes.
    var codeSymbols = 0
    var fences = 0
    /// Colons, quotation marks and line ends: what sets given text apart from what is to be done with it.
    var delimiters = 0
    /// Lines that begin like an answer to choose: `A.` or `(b)`.
    var optionLines = 0
    /// Lines that begin like a list item: `-`, `*`, `1.`.
    var listLines = 0
    var indentedLines = 0
    /// Letters with accents: European languages other than English.
    var accented = 0
    /// Characters of scripts other than Latin and Greek.
    var foreign = 0
    /// Control characters and U+FFFD, which stands for what was not UTF-8.
    var garbage = 0
    /// Words and phrases per class, in the order of the class's bits.
    var classCounts = InlineArray<24, Int>(repeating: 0)
    /// The classes of the first word.
    var opening: WordClass = []

    /// How many words or phrases of `wordClass` (one class, not a union) there are.
    subscript(_ wordClass: WordClass) -> Int {
        classCounts[wordClass.rawValue.trailingZeroBitCount]
    }

    /// Words that belong to a field of knowledge; one of two fields counts twice.
    var domainWords: Int {
        var sum = 0
        for bit in 0..<WordClass.count where WordClass.domains.rawValue & (1 << UInt32(bit)) != 0 {
            sum += classCounts[bit]
        }
        return sum
    }

    /// Counts `text`, which should be UTF-8; anything else is counted as garbage.
    init(_ text: Span<UInt8>, vocabulary: Vocabulary) {
        bytes = text.count
        // Counted in registers.
        var letters = 0
        var uppercase = 0
        var scan = WordScan()
        var lineStart = 0
        var index = 0
        while index < text.count {
            let block = LetterBlock(text, at: index)
            if block.count > 0 {
                letters &+= block.count
                uppercase &+= block.uppercaseCount
                scan.extend(by: block.letters, count: block.count)
                index &+= block.count
                if block.count == 8 || index == text.count { continue }
            }
            // No letter.
            let byte = text[index]
            if byte == 0x20 {
                end(&scan, vocabulary)
                index &+= 1
                continue
            }
            if byte >= 0x80 {
                let width = count(nonASCII: text, at: index)
                if (0xC3...0xC9).contains(byte) {
                    for offset in 0..<width { scan.extend(by: UInt64(text[index + offset]), count: 1) }
                } else {
                    end(&scan, vocabulary)
                }
                index += width
                continue
            }
            end(&scan, vocabulary)
            if byte >= 0x30, byte <= 0x39 {
                index += count(number: text, at: index)
                continue
            }
            count(symbol: byte)
            if byte == 0x0A {
                count(line: text, from: lineStart, to: index)
                lineStart = index + 1
            } else if byte == 0x60, index + 2 < text.count, text[index + 1] == 0x60, text[index + 2] == 0x60 {
                fences += 1
                index += 2
            } else if byte == 0x2E || byte == 0x3F || byte == 0x21 {
                if index + 1 == text.count || text[index + 1] <= 0x20 { sentences += 1 }
            }
            index += 1
        }
        end(&scan, vocabulary)
        count(line: text, from: lineStart, to: text.count)
        self.letters = letters
        self.uppercase = uppercase
    }

    /// The word being read and the one before it.
    private struct WordScan {
        var hash = Vocabulary.emptyHash
        var length = 0
        var previousHash: UInt64 = 0
        var previous: WordClass = []

        @inline(__always)
        mutating func extend(by letters: UInt64, count: Int) {
            hash = Vocabulary.extend(hash, by: letters)
            length &+= count
        }
    }

    /// Closes the word being read, if any.
    private mutating func end(_ scan: inout WordScan, _ vocabulary: Vocabulary) {
        guard scan.length > 0 else { return }
        var found = vocabulary.classes(of: scan.hash)
        let alone = found
        if scan.previous.contains(.phraseHead) {
            found.formUnion(vocabulary.classes(of: Vocabulary.pair(scan.previousHash, scan.hash)))
        }
        if words == 0 { opening = found }
        words += 1
        if scan.length >= 9 { longWords += 1 }
        var bits = found.subtracting(.phraseHead).rawValue
        if bits != 0 {
            knownWords += 1
        } else if scan.length >= 8 {
            rareWords += 1
        }
        while bits != 0 {
            classCounts[bits.trailingZeroBitCount] += 1
            bits &= bits - 1
        }
        scan.previousHash = scan.hash
        scan.previous = alone
        scan.hash = Vocabulary.emptyHash
        scan.length = 0
    }

    /// Counts a run of digits (with inner points and commas) and returns its length.
    private mutating func count(number text: Span<UInt8>, at start: Int) -> Int {
        var index = start
        var run = 0
        while index < text.count {
            let byte = text[index]
            if byte >= 0x30, byte <= 0x39 {
                run += 1
            } else if byte != 0x2E && byte != 0x2C {
                break
            } else if index + 1 == text.count || text[index + 1] < 0x30 || text[index + 1] > 0x39 {
                break
            }
            index += 1
        }
        digits += run
        numbers += 1
        if run >= 4 { longNumbers += 1 }
        return index - start
    }

    private mutating func count(symbol byte: UInt8) {
        switch byte {
        case 0x20, 0x2C, 0x2E, 0x0D, 0x09: break
        case 0x0A, 0x22, 0x27, 0x3A: delimiters += 1
        case 0x3F: questionMarks += 1
        case 0x3D, 0x2B, 0x2A, 0x2F, 0x5E, 0x3C, 0x3E: mathsSymbols += 1
        case 0x24: dollars += 1
        case 0x5C: backslashes += 1
        case 0x28, 0x29: parentheses += 1
        case 0x7B, 0x7D, 0x5B, 0x5D, 0x3B, 0x5F, 0x23, 0x40, 0x60, 0x7C, 0x7E: codeSymbols += 1
        case 0x00..<0x20, 0x7F: garbage += 1
        default: break
        }
    }

    /// Counts one character outside ASCII by its first bytes and returns how many bytes it has.
    private mutating func count(nonASCII text: Span<UInt8>, at index: Int) -> Int {
        let lead = text[index]
        let expected = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2
        var width = 1
        while width < expected, index + width < text.count, text[index + width] & 0xC0 == 0x80 { width += 1 }
        guard lead >= 0xC2, lead <= 0xF4, width == expected else {
            garbage += 1
            return width
        }
        let second = text[index + 1]
        switch lead {
        case 0xC2: break
        case 0xC3...0xC9: accented += 1
        case 0xCA...0xCD: break
        case 0xCE, 0xCF: mathsSymbols += 1
        case 0xE2 where second == 0x80: delimiters += (0x98...0x9F).contains(text[index + 2]) ? 1 : 0
        case 0xE2: mathsSymbols += second == 0x88 || second == 0x89 || second == 0x86 ? 1 : 0
        case 0xEF where second == 0xBF && text[index + 2] == 0xBD: garbage += 1
        case 0xF0 where second == 0x9F: break
        case 0xF0 where second == 0x9D: mathsSymbols += 1
        default: foreign += 1
        }
        return width
    }

    /// Looks at how the line begins.
    private mutating func count(line text: Span<UInt8>, from start: Int, to end: Int) {
        guard end > start else { return }
        lines += 1
        var index = start
        while index < end, text[index] == 0x20 || text[index] == 0x09 { index += 1 }
        if index - start >= 2 || (index > start && text[start] == 0x09) { indentedLines += 1 }
        guard index + 2 < end else { return }
        let parenthesised = text[index] == 0x28
        let first = parenthesised ? text[index + 1] : text[index]
        let mark = parenthesised ? text[index + 2] : text[index + 1]
        let closes = mark == 0x29 || (!parenthesised && (mark == 0x2E || mark == 0x3A))
        let folded = first | 0x20
        if closes, folded >= 0x61, folded <= 0x6A {
            optionLines += 1
        } else if (first == 0x2D || first == 0x2A) && mark == 0x20 || closes && first >= 0x30 && first <= 0x39 {
            listLines += 1
        }
    }
}
