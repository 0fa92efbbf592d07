/// Escapes inside valid JSON strings (RFC 8259 section 7).
enum JSONEscapes {
    /// End of the longest part of `range`, from its start, that has at most `room` bytes and cuts no character.
    static func wholeScalars(in bytes: Span<UInt8>, _ range: Range<Int>, atMost room: Int) -> Int {
        guard range.count > room else { return range.upperBound }
        var end = range.lowerBound + max(room, 0)
        while end > range.lowerBound, bytes[end] & 0xC0 == 0x80 { end -= 1 }
        return end
    }

    /// The character that the escape at `start` stands for, and the index after the escape.
    static func resolve(_ bytes: Span<UInt8>, at start: Int) -> (Unicode.Scalar, Int) {
        switch bytes[start + 1] {
        case UInt8(ascii: "b"): return ("\u{08}", start + 2)
        case UInt8(ascii: "f"): return ("\u{0C}", start + 2)
        case UInt8(ascii: "n"): return ("\n", start + 2)
        case UInt8(ascii: "r"): return ("\r", start + 2)
        case UInt8(ascii: "t"): return ("\t", start + 2)
        case UInt8(ascii: "u"): return unit(bytes, at: start)
        case let other: return (Unicode.Scalar(other), start + 2)
        }
    }

    /// `\uXXXX`, or two of them that make a surrogate pair. A surrogate without its partner becomes U+FFFD.
    private static func unit(_ bytes: Span<UInt8>, at start: Int) -> (Unicode.Scalar, Int) {
        let first = hex(bytes, at: start + 2)
        if let scalar = Unicode.Scalar(first) { return (scalar, start + 6) }
        let next = start + 6
        if first < 0xDC00, next + 6 < bytes.count, bytes[next] == ASCII.backslash,
            bytes[next + 1] == UInt8(ascii: "u")
        {
            let second = hex(bytes, at: next + 2)
            if (0xDC00...0xDFFF).contains(second),
                let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
            {
                return (scalar, next + 6)
            }
        }
        return ("\u{FFFD}", next)
    }

    private static func hex(_ bytes: Span<UInt8>, at start: Int) -> UInt32 {
        var value: UInt32 = 0
        for index in start..<(start + 4) { value = value << 4 | UInt32(ASCII.hexValue(bytes[index]) ?? 0) }
        return value
    }
}
