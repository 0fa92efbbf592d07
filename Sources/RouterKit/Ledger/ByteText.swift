import Wire

/// Appends text and numbers to a byte buffer without making strings: receipts are written for every request, and
/// `String(describing:)` of a `Double` alone costs more than a whole candidate's line may.
enum ByteText {
    /// Appends literal text.
    static func append(_ text: StaticString, to bytes: inout [UInt8]) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    /// Appends text as it is, unescaped.
    @_disfavoredOverload
    static func append(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: text.utf8)
    }

    /// Appends a decimal integer.
    static func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        appendDigits(UInt64(value.magnitude), minimumCount: 1, to: &bytes)
    }

    /// Appends `value` rounded to at most `decimals` (0...9) places, without trailing zeros: a valid JSON number.
    /// A value that is not finite, or of 10^9 or more, is appended as the shortest text that reads back the same,
    /// or `null` when JSON has none.
    static func appendFixed(_ value: Double, decimals: Int, to bytes: inout [UInt8]) {
        guard value.magnitude < 1e9 else {
            guard value.isFinite else { return append("null", to: &bytes) }
            return append(value.description, to: &bytes)
        }
        let scale = powersOfTen[decimals]
        let scaled = UInt64((value.magnitude * Double(scale)).rounded())
        if value < 0 && scaled > 0 { bytes.append(UInt8(ascii: "-")) }
        appendDigits(scaled / scale, minimumCount: 1, to: &bytes)
        var fraction = scaled % scale
        if fraction == 0 { return }
        var places = decimals
        while fraction % 10 == 0 {
            fraction /= 10
            places -= 1
        }
        bytes.append(UInt8(ascii: "."))
        appendDigits(fraction, minimumCount: places, to: &bytes)
    }

    /// As ``appendFixed(_:decimals:to:)``; `null` when there is no value.
    static func appendFixedOrNull(_ value: Double?, decimals: Int, to bytes: inout [UInt8]) {
        guard let value else { return append("null", to: &bytes) }
        appendFixed(value, decimals: decimals, to: &bytes)
    }

    /// Appends a JSON string. Names seldom need escapes, and a copy in one piece is much faster than byte by byte.
    static func appendQuoted(_ text: String, to bytes: inout [UInt8]) {
        let isDone = text.utf8.withContiguousStorageIfAvailable { source -> Bool in
            for byte in source where byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                return false
            }
            bytes.append(UInt8(ascii: "\""))
            bytes.append(contentsOf: source)
            bytes.append(UInt8(ascii: "\""))
            return true
        }
        if isDone != true { JSONText.appendQuoted(text, to: &bytes) }
    }

    /// As ``appendQuoted(_:to:)``; `null` when there is no text.
    static func appendQuotedOrNull(_ text: String?, to bytes: inout [UInt8]) {
        guard let text else { return append("null", to: &bytes) }
        appendQuoted(text, to: &bytes)
    }

    private static let powersOfTen: InlineArray<10, UInt64> = [
        1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000,
    ]

    private static func appendDigits(_ value: UInt64, minimumCount: Int, to bytes: inout [UInt8]) {
        // 20 digits hold any UInt64.
        var digits = InlineArray<20, UInt8>(repeating: UInt8(ascii: "0"))
        var start = 20
        var rest = value
        while rest > 0 {
            start -= 1
            digits[start] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
        start = min(start, 20 - minimumCount)
        for index in start..<20 { bytes.append(digits[index]) }
    }
}
