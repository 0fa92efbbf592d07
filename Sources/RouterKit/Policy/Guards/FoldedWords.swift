/// Splits text into hashed words, without case and accents: "Résumé" and "resume" are one word.
///
/// Letters of the Latin script lose their accents, Greek and Cyrillic ones their case. Characters of scripts without
/// spaces between words (from U+2E80 on) are words of their own, so that a phrase of them is found inside a sentence.
struct FoldedWords {
    /// What the reader hands out.
    enum Event {
        /// One more letter of a word: the hash so far, and how many letters.
        case letter(UInt64, Int)
        /// The word is over: its hash.
        case word(UInt64)
    }

    private static let seed: UInt64 = 0xCBF2_9CE4_8422_2325

    /// 64-bit FNV-1a, whose high bits are mixed in where tables are looked up.
    @inline(__always)
    private static func mixed(_ hash: UInt64, _ byte: UInt8) -> UInt64 {
        (hash ^ UInt64(byte)) &* 0x100_0000_01B3
    }

    /// Reads `text`. Broken UTF-8 is taken byte by byte.
    @inline(__always)
    static func read(_ text: Span<UInt8>, _ event: (Event) -> Void) {
        var hash = seed
        var count = 0
        var index = 0
        while index < text.count {
            let byte = text[index]
            index += 1
            if byte < 0x80 {
                let lower = byte | 0x20
                if lower &- 0x61 < 26 || byte &- 0x30 < 10 {
                    hash = mixed(hash, byte &- 0x30 < 10 ? byte : lower)
                    count += 1
                    event(.letter(hash, count))
                } else if count > 0 {
                    event(.word(hash))
                    (hash, count) = (seed, 0)
                }
                continue
            }
            let next = index < text.count ? text[index] : 0
            switch byte {
            case 0xC3, 0xC4, 0xC5:
                guard next & 0xC0 == 0x80 else { continue }
                index += 1
                for letter in LatinLetters.base(byte, next) {
                    hash = mixed(hash, letter)
                    count += 1
                    event(.letter(hash, count))
                }
            case 0xCC,
                0xCD where next < 0xB0:
                index += 1  // A combining accent.
            case 0xC2,
                0xE2 where next <= 0x81 || byte == 0xC2:
                // Signs and general punctuation end a word.
                index += byte == 0xC2 ? 1 : 2
                if count > 0 { event(.word(hash)) }
                (hash, count) = (seed, 0)
            case 0xE2..<0xF8 where byte > 0xE2 || next >= 0xBA:
                if count > 0 { event(.word(hash)) }
                hash = mixed(seed, byte)
                while index < text.count, text[index] & 0xC0 == 0x80 {
                    hash = mixed(hash, text[index])
                    index += 1
                }
                event(.letter(hash, 1))
                event(.word(hash))
                (hash, count) = (seed, 0)
            default:
                let (first, second) = LatinLetters.lowered(byte, next)
                hash = mixed(hash, first)
                count += 1
                if next & 0xC0 == 0x80 {
                    index += 1
                    hash = mixed(hash, second)
                }
                event(.letter(hash, count))
            }
        }
        if count > 0 { event(.word(hash)) }
    }
}

/// Letters of two bytes of UTF-8 without their accents or case.
enum LatinLetters {
    /// Base letters of U+00C0 to U+017F by their position; `?` stands for what is no letter.
    private static let table: [UInt8] = Array(
        ("aaaaaaaceeeeiiiidnooooo?ouuuuytsaaaaaaaceeeeiiiidnooooo?ouuuuyty"
            + "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkklllllll"
            + "lllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs").utf8)

    /// The letters that stand for a character: two for `æ`, `œ` and `ß`.
    static func base(_ lead: UInt8, _ next: UInt8) -> Letters {
        switch (lead, next) {
        case (0xC3, 0x86), (0xC3, 0xA6): return Letters(first: UInt8(ascii: "a"), second: UInt8(ascii: "e"))
        case (0xC5, 0x92), (0xC5, 0x93): return Letters(first: UInt8(ascii: "o"), second: UInt8(ascii: "e"))
        case (0xC3, 0x9F): return Letters(first: UInt8(ascii: "s"), second: UInt8(ascii: "s"))
        default: break
        }
        let position = (Int(lead) - 0xC3) * 64 + Int(next & 0x3F)
        return Letters(first: table[position], second: nil)
    }

    /// Greek and Cyrillic capitals (U+0391-03A9, U+0410-042F, U+0400-040F) as small letters; others as they are.
    static func lowered(_ lead: UInt8, _ next: UInt8) -> (UInt8, UInt8) {
        guard (0xCE...0xD1).contains(lead), next & 0xC0 == 0x80 else { return (lead, next) }
        var scalar = Int(lead & 0x1F) << 6 | Int(next & 0x3F)
        switch scalar {
        case 0x391...0x3A9, 0x410...0x42F: scalar += 0x20
        case 0x400...0x40F: scalar += 0x50
        default: break
        }
        return (0xC0 | UInt8(scalar >> 6), 0x80 | UInt8(scalar & 0x3F))
    }

    /// One or two letters.
    struct Letters: Sequence, IteratorProtocol {
        var first: UInt8?
        var second: UInt8?

        mutating func next() -> UInt8? {
            defer { (first, second) = (second, nil) }
            return first
        }
    }
}
