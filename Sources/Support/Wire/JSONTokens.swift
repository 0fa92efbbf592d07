/// The tokens of JSON, checked in full (RFC 8259 sections 3, 6, 7; RFC 3629 section 4).
extension JSONValidator {
    /// Passes over the string that opens at `start`; returns the index after its closing quote.
    static func string(_ span: Span<UInt8>, _ start: Int) throws(WireError) -> Int {
        var index = start &+ 1
        while true {
            index = span.first(ByteSets.NotPlainText.self, from: index)
            guard index < span.count else {
                throw WireError(.invalidJSON, "the text ends inside the string that opens here", offset: start)
            }
            let byte = span[index]
            switch byte {
            case ASCII.quote:
                return index &+ 1
            case ASCII.backslash:
                index = try escape(span, index)
            case 0..<0x20:
                throw WireError(
                    .invalidJSON, "a string holds \(ASCII.show(byte)); control bytes must be escaped", offset: index)
            case 0x80...:
                index = try nonASCII(span, index)
            default:
                index &+= 1
            }
        }
    }

    private static func escape(_ span: Span<UInt8>, _ backslash: Int) throws(WireError) -> Int {
        let index = backslash &+ 1
        guard index < span.count else {
            throw WireError(.invalidJSON, "the text ends inside an escape", offset: backslash)
        }
        switch span[index] {
        case ASCII.quote, ASCII.backslash, UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return index &+ 1
        case UInt8(ascii: "u"):
            for digit in (index &+ 1)...(index &+ 4) {
                guard digit < span.count, ASCII.hexValue(span[digit]) != nil else {
                    throw WireError(.invalidJSON, "\\u needs four hexadecimal digits", offset: backslash)
                }
            }
            return index &+ 5
        default:
            throw WireError(
                .invalidJSON, "there is no escape of \(ASCII.show(span[index]))", offset: backslash)
        }
    }

    /// Passes over a run of well-formed multi-byte sequences (RFC 3629 section 4; Unicode table 3-7).
    ///
    /// Four bytes and more are tested with one load: lead byte lowest, so a mask names the fixed bits of all of them.
    private static func nonASCII(_ span: Span<UInt8>, _ start: Int) throws(WireError) -> Int {
        var index = start
        while index &+ 8 <= span.count {
            let word = span.word(at: index)
            if word & 0x80 == 0 { return index }
            if word & 0xC0_C0F0 == 0x80_80E0 {
                // Not an encoding of less than U+0800, nor of a surrogate.
                let top = word & 0x200F
                guard top != 0, top != 0x200D else { throw notUTF8(at: index) }
                index &+= 3
            } else if word & 0xC0E0 == 0x80C0 {
                guard word & 0x1E != 0 else { throw notUTF8(at: index) }
                index &+= 2
            } else if word & 0xC0C0_C0F8 == 0x8080_80F0 {
                // U+10000 or more, and not more than U+10FFFF.
                guard word & 0x3007 != 0, word & 0x07 < 4 || word & 0x3007 == 4 else { throw notUTF8(at: index) }
                index &+= 4
            } else {
                throw notUTF8(at: index)
            }
        }
        return try nonASCIINearEnd(span, index)
    }

    /// The same for the last few bytes of the input, one byte at a time.
    private static func nonASCIINearEnd(_ span: Span<UInt8>, _ start: Int) throws(WireError) -> Int {
        var index = start
        while index < span.count {
            let length: Int
            var second: ClosedRange<UInt8> = 0x80...0xBF
            switch span[index] {
            case 0..<0x80: return index
            case 0xC2...0xDF: length = 2
            case 0xE0: (length, second) = (3, 0xA0...0xBF)
            case 0xED: (length, second) = (3, 0x80...0x9F)
            case 0xE1...0xEF: length = 3
            case 0xF0: (length, second) = (4, 0x90...0xBF)
            case 0xF1...0xF3: length = 4
            case 0xF4: (length, second) = (4, 0x80...0x8F)
            default: throw notUTF8(at: index)
            }
            guard index + length <= span.count, second.contains(span[index + 1]) else { throw notUTF8(at: index) }
            for next in (index + 2)..<max(index + length, index + 2) where span[next] & 0xC0 != 0x80 {
                throw notUTF8(at: index)
            }
            index += length
        }
        return index
    }

    private static func notUTF8(at index: Int) -> WireError {
        WireError(.invalidJSON, "a string holds bytes that are not UTF-8", offset: index)
    }

    static func literal(_ span: Span<UInt8>, _ start: Int, _ text: StaticString) throws(WireError) -> Int {
        let end = start &+ text.utf8CodeUnitCount
        guard end <= span.count, span.equals(start..<end, literal: text) else {
            throw WireError(.invalidJSON, "expected '\(text)'", offset: start)
        }
        return end
    }

    /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
    static func number(_ span: Span<UInt8>, _ start: Int) throws(WireError) -> Int {
        var index = start
        if span[index] == UInt8(ascii: "-") { index &+= 1 }
        let integer = index
        index = JSONScan.skipDigits(span, index)
        guard index > integer else { throw unexpected(span, index, wanted: "a digit") }
        if span[integer] == UInt8(ascii: "0"), index > integer &+ 1 {
            throw WireError(.invalidJSON, "a number begins with a needless zero", offset: integer)
        }
        if index < span.count, span[index] == UInt8(ascii: ".") {
            let fraction = index &+ 1
            index = JSONScan.skipDigits(span, fraction)
            guard index > fraction else { throw unexpected(span, index, wanted: "a digit after the point") }
        }
        if index < span.count, span[index] | 0x20 == UInt8(ascii: "e") {
            index &+= 1
            if index < span.count, span[index] == UInt8(ascii: "+") || span[index] == UInt8(ascii: "-") { index &+= 1 }
            let exponent = index
            index = JSONScan.skipDigits(span, exponent)
            guard index > exponent else { throw unexpected(span, index, wanted: "a digit in the exponent") }
        }
        return index
    }
}
