/// Reads and writes the text of JSON scalars. What is read must be valid, as it is inside a `JSONDocument`.
public enum JSONText {
    // MARK: Strings

    /// The text of a JSON string, quotes included in `bytes`. A lone surrogate escape becomes U+FFFD.
    public static func decodeString(_ bytes: Span<UInt8>) -> String {
        let content = 1..<(bytes.count - 1)
        guard bytes.firstIndex(of: ASCII.backslash, in: content) != nil else { return bytes.string(content) }
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        decodeString(bytes, into: &decoded, maxBytes: bytes.count)
        return String(decoding: decoded, as: UTF8.self)
    }

    /// Appends the UTF-8 text of a JSON string, quotes included in `bytes`, but at most `maxBytes` bytes of it.
    ///
    /// Returns whether all of it fitted; if not, it was cut between two characters (Unicode scalars).
    @discardableResult
    public static func decodeString(_ bytes: Span<UInt8>, into output: inout [UInt8], maxBytes: Int) -> Bool {
        var room = maxBytes
        var index = 1
        let end = bytes.count - 1
        while index < end {
            // Beyond the room there is nothing to look for: a run that reaches there is cut anyway.
            let reach = room < end - index ? index + room + 1 : end
            let stop = bytes.firstIndex(of: ASCII.backslash, in: index..<reach) ?? reach
            if stop > index {
                let kept = JSONEscapes.wholeScalars(in: bytes, index..<stop, atMost: room)
                output.append(bytes.extracting(index..<kept))
                room -= kept - index
                guard kept == stop else { return false }
                index = stop
            }
            guard index < end else { break }
            let (scalar, next) = JSONEscapes.resolve(bytes, at: index)
            let length = UTF8.width(scalar)
            guard length <= room else { return false }
            if scalar.isASCII {
                output.append(UInt8(truncatingIfNeeded: scalar.value))
            } else {
                output.append(contentsOf: scalar.utf8)
            }
            room -= length
            index = next
        }
        return true
    }

    /// Whether a JSON string, quotes included in `bytes`, has exactly the text `text` once its escapes are resolved.
    public static func equals(_ bytes: Span<UInt8>, _ text: String) -> Bool {
        let wanted = text.utf8.count
        let have = bytes.count - 2
        // An escape is longer than what it stands for, and at most six times as long. So a key of megabytes is never
        // decoded to be compared with a short one.
        guard have >= wanted, have / 6 <= wanted else { return false }
        if have == wanted, bytes.equals(1..<(have + 1), text) { return true }
        guard bytes.firstIndex(of: ASCII.backslash, in: 1..<(have + 1)) != nil else { return false }
        // By bytes: `==` of strings takes canonically equivalent ones, such as two ways to write é, for equal.
        return decodeString(bytes).utf8.elementsEqual(text.utf8)
    }

    /// Whether a JSON string, quotes included in `bytes`, has exactly the text `literal` once its escapes are resolved.
    @inline(__always)
    static func equals(_ bytes: Span<UInt8>, literal: StaticString) -> Bool {
        let have = bytes.count - 2
        // An escape is longer than what it stands for, so a string of the same length has none if it is equal.
        if have == literal.utf8CodeUnitCount { return bytes.equals(1..<(have + 1), literal: literal) }
        guard have > literal.utf8CodeUnitCount else { return false }
        // The first byte settles nearly all others.
        return (bytes[1] == ASCII.backslash || bytes[1] == literal.utf8Start.pointee) && equalsEscaped(bytes, literal)
    }

    /// The same for a longer one, which is equal only when it holds escapes.
    @inline(never)
    private static func equalsEscaped(_ bytes: Span<UInt8>, _ literal: StaticString) -> Bool {
        guard bytes.firstIndex(of: ASCII.backslash, in: 1..<(bytes.count - 1)) != nil else { return false }
        return equals(bytes, literal.description)
    }

    /// Appends `text` as a JSON string in quotes. Only what must be escaped is.
    public static func appendQuoted(_ text: String, to output: inout [UInt8]) {
        var text = text
        text.withUTF8 { appendQuoted(utf8: $0.span, to: &output) }
    }

    /// Appends text in UTF-8 as a JSON string in quotes. The bytes must be well-formed: nothing checks them here.
    public static func appendQuoted(utf8 text: Span<UInt8>, to output: inout [UInt8]) {
        output.append(ASCII.quote)
        var index = 0
        while index < text.count {
            let stop = text.first(ByteSets.MustEscape.self, from: index)
            output.append(text.extracting(index..<stop))
            guard stop < text.count else { break }
            appendEscape(of: text[stop], to: &output)
            index = stop + 1
        }
        output.append(ASCII.quote)
    }

    /// Whether text may stand between the quotes of a JSON string as it is.
    public static func needsNoEscape(_ text: Span<UInt8>) -> Bool {
        text.first(ByteSets.MustEscape.self, from: 0) == text.count
    }

    private static func appendEscape(of byte: UInt8, to output: inout [UInt8]) {
        switch byte {
        case ASCII.quote: output.append(literal: "\\\"")
        case ASCII.backslash: output.append(literal: "\\\\")
        case ASCII.lineFeed: output.append(literal: "\\n")
        case ASCII.carriageReturn: output.append(literal: "\\r")
        case ASCII.tab: output.append(literal: "\\t")
        default:
            output.append(literal: byte < 0x10 ? "\\u000" : "\\u001")
            output.append(contentsOf: String(byte & 15, radix: 16).utf8)
        }
    }

    // MARK: Numbers

    /// The value of a number written as a plain integer that fits; nil for `1.0`, `1e3` and what is out of range.
    public static func int(_ bytes: Span<UInt8>) -> Int? {
        var index = 0
        let isNegative = bytes.count > 0 && bytes[0] == UInt8(ascii: "-")
        if isNegative { index = 1 }
        guard index < bytes.count else { return nil }
        var value = 0
        while index < bytes.count {
            guard ASCII.isDigit(bytes[index]) else { return nil }
            let digit = Int(bytes[index] - 0x30)
            let (product, overflowed) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflowedToo) =
                isNegative ? product.subtractingReportingOverflow(digit) : product.addingReportingOverflow(digit)
            guard !overflowed, !overflowedToo else { return nil }
            value = sum
            index += 1
        }
        return value
    }

    /// The value of a number, rounded to the nearest double; nil when it is too large for one.
    public static func double(_ bytes: Span<UInt8>) -> Double? {
        guard let value = Double(bytes.string(0..<bytes.count)), value.isFinite else { return nil }
        return value
    }

    /// Appends the shortest text that reads back as `value`, whole numbers without `.0`; `null` for infinities and
    /// NaN, which JSON cannot write.
    public static func appendDouble(_ value: Double, to output: inout [UInt8]) {
        guard value.isFinite else { return output.append(literal: "null") }
        let text = value.description
        output.append(contentsOf: text.hasSuffix(".0") ? text.dropLast(2).utf8 : text[...].utf8)
    }

    // MARK: Places

    /// Line and column, both from 1, of the byte at `offset`; columns count characters (Unicode scalars).
    public static func lineAndColumn(of offset: Int, in bytes: [UInt8]) -> (line: Int, column: Int) {
        var line = 1
        var column = 1
        for byte in bytes.prefix(max(offset, 0)) {
            if byte == ASCII.lineFeed {
                line += 1
                column = 1
            } else if byte & 0xC0 != 0x80 {
                column += 1
            }
        }
        return (line, column)
    }
}
