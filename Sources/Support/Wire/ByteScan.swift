/// Looking for the next byte that matters, many bytes at a time: half of what a long body costs. With `SHA256.swift` and
/// RouterKit's `LetterBlock.swift`, the only file that thinks about how bytes lie in memory.
///
/// Two means, in turn. Eight bytes are looked at in one step ("SIMD within a register"): a mask has the high bit set in
/// each byte that matched. Subtraction can borrow into higher bytes, so only the LOWEST set bit of a mask is exact; that
/// is the first match on a little-endian load, which is all that is used here. Where the next match is not near, growing
/// blocks are passed over by a loop that only takes the least of numbers which are 0 for a match: the one form that the
/// compiler always turns into vector instructions, 20 KB in about 1 us. Written with comparisons and `or`, or with
/// `SIMD32`, some sets were vectorized and others took 20 us. The tests hold every scan against one byte at a time.
enum Word {
    static let ones: UInt64 = 0x0101_0101_0101_0101
    static let highs: UInt64 = 0x8080_8080_8080_8080

    /// Bytes equal to `byte`.
    @inline(__always)
    static func equal(_ word: UInt64, _ byte: UInt8) -> UInt64 {
        let difference = word ^ (ones &* UInt64(byte))
        return (difference &- ones) & ~difference & highs
    }

    /// Bytes less than `bound`, which is at most 128.
    @inline(__always)
    static func less(_ word: UInt64, than bound: UInt8) -> UInt64 {
        (word &- (ones &* UInt64(bound))) & ~word & highs
    }

    /// Index of the first byte that a non-zero mask marks.
    @inline(__always)
    static func first(_ mask: UInt64) -> Int { mask.trailingZeroBitCount &>> 3 }
}

/// Bytes that a scan stops at, said twice: for eight at once, and for one.
protocol ByteSet {
    /// A mask that marks the first member in `word` exactly; see `Word`.
    static func mask(_ word: UInt64) -> UInt64
    /// Zero for a member only. Made of exclusive or, masks and `min`; see the head of this file.
    static func distance(_ byte: UInt8) -> UInt8
}

/// The sets that the parsers look for.
enum ByteSets {
    /// What ends a run of plain ASCII text in a JSON string: quote, backslash, control bytes, bytes from 0x80 on.
    enum NotPlainText: ByteSet {
        @inline(__always)
        static func mask(_ word: UInt64) -> UInt64 { MustEscape.mask(word) | (word & Word.highs) }
        @inline(__always)
        static func distance(_ byte: UInt8) -> UInt8 { min(MustEscape.distance(byte), ~byte & 0x80) }
    }

    /// What JSON must escape: quote, backslash, bytes below 0x20.
    enum MustEscape: ByteSet {
        @inline(__always)
        static func mask(_ word: UInt64) -> UInt64 { QuoteOrBackslash.mask(word) | Word.less(word, than: 0x20) }
        @inline(__always)
        static func distance(_ byte: UInt8) -> UInt8 { min(QuoteOrBackslash.distance(byte), byte & 0xE0) }
    }

    enum QuoteOrBackslash: ByteSet {
        @inline(__always)
        static func mask(_ word: UInt64) -> UInt64 {
            Word.equal(word, ASCII.quote) | Word.equal(word, ASCII.backslash)
        }
        @inline(__always)
        static func distance(_ byte: UInt8) -> UInt8 { min(byte ^ ASCII.quote, byte ^ ASCII.backslash) }
    }

    /// What matters between the brackets of a container: quotes and brackets. Bit 0x20 is all that tells [ from { and ]
    /// from }.
    enum QuoteOrBracket: ByteSet {
        @inline(__always)
        static func mask(_ word: UInt64) -> UInt64 {
            let folded = word | (Word.ones &* 0x20)
            return Word.equal(word, ASCII.quote) | Word.equal(folded, ASCII.openBrace)
                | Word.equal(folded, ASCII.closeBrace)
        }
        @inline(__always)
        static func distance(_ byte: UInt8) -> UInt8 {
            let folded = byte | 0x20
            return min(byte ^ ASCII.quote, min(folded ^ ASCII.openBrace, folded ^ ASCII.closeBrace))
        }
    }

    /// Bytes below 0x20, and 0x7F.
    enum Controls: ByteSet {
        @inline(__always)
        static func mask(_ word: UInt64) -> UInt64 { Word.less(word, than: 0x20) | Word.equal(word, 0x7F) }
        @inline(__always)
        static func distance(_ byte: UInt8) -> UInt8 { min(byte & 0xE0, byte ^ 0x7F) }
    }

    /// CR and LF.
    enum LineBreaks: ByteSet {
        @inline(__always)
        static func mask(_ word: UInt64) -> UInt64 {
            Word.equal(word, ASCII.lineFeed) | Word.equal(word, ASCII.carriageReturn)
        }
        @inline(__always)
        static func distance(_ byte: UInt8) -> UInt8 { min(byte ^ ASCII.lineFeed, byte ^ ASCII.carriageReturn) }
    }
}

extension Span<UInt8> {
    /// The eight bytes from `offset`, first byte lowest. Bounds are checked; "unsafe" in the library's name is about
    /// the type, and every bit pattern is a valid `UInt64`.
    @inline(__always)
    func word(at offset: Int) -> UInt64 {
        UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// First index from `start` of a member of `set`, or the count.
    @inline(__always)
    func first<Set: ByteSet>(_ set: Set.Type, from start: Int) -> Int {
        first(from: start, to: count, mask: Set.mask, distance: Set.distance)
    }

    /// First index in `start..<count` of a control byte: below 0x20, or 0x7F.
    func firstControl(from start: Int) -> Int? {
        let found = first(ByteSets.Controls.self, from: start)
        return found < count ? found : nil
    }

    /// First index in `start..<count` of CR or LF.
    func firstLineBreak(from start: Int) -> Int? {
        let found = first(ByteSets.LineBreaks.self, from: start)
        return found < count ? found : nil
    }

    /// First index in `range` of `byte`.
    func firstIndex(of byte: UInt8, in range: Range<Int>) -> Int? {
        let found = first(
            from: range.lowerBound, to: range.upperBound, mask: { Word.equal($0, byte) },
            distance: { $0 ^ byte })
        return found < range.upperBound ? found : nil
    }

    /// The scan itself. The first 16 bytes go by words, because most runs are shorter than that.
    @inline(__always)
    private func first(
        from start: Int, to end: Int, mask: (UInt64) -> UInt64, distance: (UInt8) -> UInt8
    ) -> Int {
        var index = start
        while index &+ 8 <= end {
            let hits = mask(word(at: index))
            if hits != 0 { return index &+ Word.first(hits) }
            index &+= 8
            if index &- start == 16 { index = skipBlocks(from: index, to: end, distance) }
        }
        while index < end {
            if distance(self[index]) == 0 { return index }
            index &+= 1
        }
        return max(index, start)
    }

    /// Passes over blocks that hold nothing to stop at. They grow with what was passed; where one does hold something, it
    /// is gone through in short ones, so that only the last of these is looked at again, by words.
    @inline(__always)
    private func skipBlocks(from start: Int, to end: Int, _ distance: (UInt8) -> UInt8) -> Int {
        precondition(start >= 0 && end <= count, "a scan outside of its bytes")
        return withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress else { return start }
            var index = start
            var length = Self.firstBlockBytes
            while index &+ length <= end {
                // Inside the bytes, by the precondition and the condition of the loop.
                let block = base + index
                var least = UInt8.max
                for offset in 0..<length { least = min(least, distance(block[offset])) }
                if least == 0 {
                    if length == Self.firstBlockBytes { break }
                    length = Self.firstBlockBytes
                    continue
                }
                index &+= length
                if length < Self.longestBlockBytes { length &*= 2 }
            }
            return index
        }
    }

    private static var firstBlockBytes: Int { 32 }
    private static var longestBlockBytes: Int { 512 }

    /// How many bytes from `start` on are those of `other` from `otherStart` on.
    func equalCount(from start: Int, _ other: Span<UInt8>, from otherStart: Int) -> Int {
        let most = Swift.min(count &- start, other.count &- otherStart)
        var equal = 0
        while equal &+ 8 <= most {
            let difference = word(at: start &+ equal) ^ other.word(at: otherStart &+ equal)
            if difference != 0 { return equal &+ Word.first(difference) }
            equal &+= 8
        }
        while equal < most, self[start &+ equal] == other[otherStart &+ equal] { equal &+= 1 }
        return equal
    }

    /// Whether `text` occurs. `rare` is where in it two bytes stand that seldom follow each other: only places where they
    /// do are looked at.
    public func contains(_ text: StaticString, rare: Int) -> Bool {
        let length = text.utf8CodeUnitCount
        precondition(rare >= 0 && rare + 1 < length, "the rare pair lies in the text")
        let (one, two) = (text.utf8Start[rare], text.utf8Start[rare + 1])
        var place = rare
        while true {
            place = firstPair(one, two, from: place)
            let start = place &- rare
            guard start &+ length <= count else { return false }
            if equals(start..<(start &+ length), literal: text) { return true }
            place &+= 1
        }
    }

    /// First index from `start` of `one` with `two` behind it, or the count.
    private func firstPair(_ one: UInt8, _ two: UInt8, from start: Int) -> Int {
        withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress else { return 0 }
            var index = start
            var length = Self.firstBlockBytes
            // A block's last pair reaches one byte beyond it.
            while index &+ length < bytes.count {
                let block = base + index
                var least = UInt8.max
                for offset in 0..<length { least = min(least, (block[offset] ^ one) | (block[offset &+ 1] ^ two)) }
                if least == 0 {
                    if length == Self.firstBlockBytes { break }
                    length = Self.firstBlockBytes
                    continue
                }
                index &+= length
                if length < Self.longestBlockBytes { length &*= 2 }
            }
            while index &+ 1 < bytes.count {
                if bytes[index] == one, bytes[index &+ 1] == two { return index }
                index &+= 1
            }
            return bytes.count
        }
    }
}
