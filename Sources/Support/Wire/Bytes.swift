/// Byte-level tools shared by the parsers of this module.
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

extension Span<UInt8> {
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
    package mutating func append(decimal number: Int) {
        if number >= 0, number < 10 { return append(0x30 + UInt8(number)) }
        append(contentsOf: String(number).utf8)
    }
}
