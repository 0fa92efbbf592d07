/// Byte-level tools shared by the parsers of this module. The only file, with `SHA256.swift` excepted, that thinks
/// about how bytes lie in memory.
///
/// Eight bytes are looked at in one step ("SIMD within a register"): a mask has the high bit set in each byte that
/// matched. Subtraction can borrow into higher bytes, so only the LOWEST set bit of a mask is exact; that is the first
/// match on a little-endian load, which is all that is used here.
enum ASCII {
    static let tab: UInt8 = 0x09
    static let lineFeed: UInt8 = 0x0A
    static let carriageReturn: UInt8 = 0x0D
    static let space: UInt8 = 0x20
    static let quote: UInt8 = 0x22
    static let comma: UInt8 = 0x2C
    static let colon: UInt8 = 0x3A
    static let semicolon: UInt8 = 0x3B
    static let openBracket: UInt8 = 0x5B
    static let backslash: UInt8 = 0x5C
    static let closeBracket: UInt8 = 0x5D
    static let openBrace: UInt8 = 0x7B
    static let closeBrace: UInt8 = 0x7D

    /// RFC 9110 section 5.6.2 `tchar`, one bit for each ASCII code: `!#$%&'*+-.` and digits in the low half; letters
    /// and `^_`|~` in the high half. Constants, so that a test needs no memory access.
    private static let tokenLow: UInt64 = 0x03FF_6CFA_0000_0000
    private static let tokenHigh: UInt64 = 0x57FF_FFFF_C7FF_FFFE

    static func isToken(_ byte: UInt8) -> Bool {
        guard byte < 128 else { return false }
        return ((byte < 64 ? tokenLow : tokenHigh) >> UInt64(byte & 63)) & 1 == 1
    }

    @inline(__always)
    static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

    /// The value of a hexadecimal digit, or nil.
    @inline(__always)
    static func hexValue(_ byte: UInt8) -> UInt8? {
        if isDigit(byte) { return byte &- 0x30 }
        let letter = (byte | 0x20) &- 0x61
        return letter < 6 ? letter + 10 : nil
    }

    @inline(__always)
    static func isBlank(_ byte: UInt8) -> Bool { byte == space || byte == tab }

    @inline(__always)
    static func lowercased(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }

    /// How a byte is shown in an error message: itself when printable, else its code.
    static func show(_ byte: UInt8) -> String {
        if byte > space, byte < 0x7F { return "'\(Character(Unicode.Scalar(byte)))'" }
        let digits = String(byte, radix: 16, uppercase: true)
        return "byte 0x" + (digits.utf8.count == 1 ? "0" : "") + digits
    }
}

/// Masks over eight bytes at once; see `ASCII` for what a mask means.
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

extension Span<UInt8> {
    /// The eight bytes from `offset`, first byte lowest. Bounds are checked; "unsafe" in the library's name is about
    /// the type, and every bit pattern is a valid `UInt64`.
    @inline(__always)
    func word(at offset: Int) -> UInt64 {
        UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// First index in `start..<count` of a control byte: below 0x20, or 0x7F.
    func firstControl(from start: Int) -> Int? {
        var index = start
        while index &+ 8 <= count {
            let loaded = word(at: index)
            let hits = Word.less(loaded, than: 0x20) | Word.equal(loaded, 0x7F)
            if hits != 0 { return index &+ Word.first(hits) }
            index &+= 8
        }
        while index < count {
            let byte = self[index]
            if byte < 0x20 || byte == 0x7F { return index }
            index &+= 1
        }
        return nil
    }

    /// First index in `start..<count` of CR or LF.
    func firstLineBreak(from start: Int) -> Int? {
        var index = start
        while index &+ 8 <= count {
            let loaded = word(at: index)
            let hits = Word.equal(loaded, ASCII.lineFeed) | Word.equal(loaded, ASCII.carriageReturn)
            if hits != 0 { return index &+ Word.first(hits) }
            index &+= 8
        }
        while index < count {
            let byte = self[index]
            if byte == ASCII.lineFeed || byte == ASCII.carriageReturn { return index }
            index &+= 1
        }
        return nil
    }

    /// First index in `start..<count` of a byte that JSON must escape (a quote, a backslash, a control byte below
    /// 0x20), or the count.
    func firstToEscape(from start: Int) -> Int {
        var index = start
        while index &+ 8 <= count {
            let loaded = word(at: index)
            let hits =
                Word.equal(loaded, ASCII.quote) | Word.equal(loaded, ASCII.backslash) | Word.less(loaded, than: 0x20)
            if hits != 0 { return index &+ Word.first(hits) }
            index &+= 8
        }
        while index < count {
            let byte = self[index]
            if byte == ASCII.quote || byte == ASCII.backslash || byte < 0x20 { return index }
            index &+= 1
        }
        return count
    }

    /// First index in `range` of `byte`.
    func firstIndex(of byte: UInt8, in range: Range<Int>) -> Int? {
        var index = range.lowerBound
        while index &+ 8 <= range.upperBound {
            let hits = Word.equal(word(at: index), byte)
            if hits != 0 { return index &+ Word.first(hits) }
            index &+= 8
        }
        while index < range.upperBound {
            if self[index] == byte { return index }
            index &+= 1
        }
        return nil
    }

    /// Whether the bytes of `range` are those of `text`, letter case of ASCII aside.
    func equalsIgnoringCase(_ range: Range<Int>, _ text: String) -> Bool {
        guard text.utf8.count == range.count else { return false }
        var text = text
        return text.withUTF8 { wanted in
            for offset in 0..<wanted.count
            where ASCII.lowercased(self[range.lowerBound &+ offset]) != ASCII.lowercased(wanted[offset]) {
                return false
            }
            return true
        }
    }

    /// Whether the bytes of `range` are those of `literal`, which is in lower case, letter case of ASCII aside.
    /// Several times as fast as the form for any string, which must find out how its text is stored.
    @inline(__always)
    func equalsIgnoringCase(_ range: Range<Int>, literal: StaticString) -> Bool {
        guard literal.utf8CodeUnitCount == range.count else { return false }
        return literal.withUTF8Buffer { wanted in
            for offset in 0..<wanted.count
            where ASCII.lowercased(self[range.lowerBound &+ offset]) != wanted[offset] {
                return false
            }
            return true
        }
    }

    /// Whether the bytes of `range` are exactly those of `literal`.
    @inline(__always)
    func equals(_ range: Range<Int>, literal: StaticString) -> Bool {
        guard literal.utf8CodeUnitCount == range.count else { return false }
        return literal.withUTF8Buffer { wanted in
            for offset in 0..<wanted.count where self[range.lowerBound &+ offset] != wanted[offset] { return false }
            return true
        }
    }

    /// Whether the bytes of `range` are exactly those of `text`.
    func equals(_ range: Range<Int>, _ text: String) -> Bool {
        guard text.utf8.count == range.count else { return false }
        var text = text
        return text.withUTF8 { wanted in
            for offset in 0..<wanted.count where self[range.lowerBound &+ offset] != wanted[offset] { return false }
            return true
        }
    }

    /// `range` without spaces and tabs at both ends (RFC 9110 section 5.6.3, OWS).
    func trimmed(_ range: Range<Int>) -> Range<Int> {
        var low = range.lowerBound
        var high = range.upperBound
        while low < high, ASCII.isBlank(self[low]) { low &+= 1 }
        while high > low, ASCII.isBlank(self[high &- 1]) { high &-= 1 }
        return low..<high
    }

    /// The bytes of `range` as text; ill-formed UTF-8 becomes U+FFFD.
    func string(_ range: Range<Int>) -> String {
        extracting(range).withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
    }
}

extension [UInt8] {
    /// Appends all of `span`.
    @inline(__always)
    mutating func append(_ span: Span<UInt8>) {
        span.withUnsafeBufferPointer { append(contentsOf: $0) }
    }

    /// Appends `number` in decimal.
    mutating func append(decimal number: Int) {
        if number >= 0, number < 10 { return append(0x30 + UInt8(number)) }
        append(contentsOf: String(number).utf8)
    }
}
