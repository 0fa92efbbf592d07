import Wire

/// Appends text and numbers to a byte buffer without making strings: receipts are written for every request, and
/// `String(describing:)` of a `Double` alone costs more than a whole candidate's line may.
enum ByteText {
    /// Appends literal text.
    @inline(__always)
    static func append(_ text: StaticString, to bytes: inout some (ByteSink & ~Copyable)) {
        bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Appends text as it is, unescaped.
    @_disfavoredOverload
    static func append(_ text: String, to bytes: inout some (ByteSink & ~Copyable)) {
        var text = text
        text.withUTF8 { bytes.append(contentsOf: $0) }
    }

    /// Appends a decimal integer.
    static func append(_ value: some FixedWidthInteger, to bytes: inout some (ByteSink & ~Copyable)) {
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        DecimalText.append(UInt64(value.magnitude), to: &bytes)
    }

    /// Appends `value` rounded to at most `decimals` (0...9) places, without trailing zeros: a valid JSON number.
    /// A value that is not finite, or of 10^9 or more, is appended as the shortest text that reads back the same,
    /// or `null` when JSON has none.
    static func appendFixed(_ value: Double, decimals: Int, to bytes: inout some (ByteSink & ~Copyable)) {
        guard value.magnitude < 1e9 else {
            guard value.isFinite else { return append("null", to: &bytes) }
            return append(value.description, to: &bytes)
        }
        var rest = UInt64((value.magnitude * Double(powersOfTen[decimals])).rounded())
        if rest == 0 { return bytes.append(UInt8(ascii: "0")) }
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        var places = decimals
        while places > 0, rest % 10 == 0 {
            rest /= 10
            places -= 1
        }
        // Less than 10^18, a zero before the point, and the point: 20 hold it.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            guard let base = digits.baseAddress else { return }
            var start = 20
            while rest > 0 || places >= 0 {
                start &-= 1
                if places == 0, start < 19 {
                    base[start] = UInt8(ascii: ".")
                    start &-= 1
                }
                base[start] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
                places &-= 1
            }
            bytes.append(contentsOf: UnsafeBufferPointer(start: base + start, count: 20 &- start))
        }
    }

    /// As ``appendFixed(_:decimals:to:)``; `null` when there is no value.
    static func appendFixedOrNull(_ value: Double?, decimals: Int, to bytes: inout some (ByteSink & ~Copyable)) {
        guard let value else { return append("null", to: &bytes) }
        appendFixed(value, decimals: decimals, to: &bytes)
    }

    /// Appends a JSON string. Names seldom need escapes, and a copy in one piece is much faster than byte by byte.
    static func appendQuoted(_ text: String, to bytes: inout some (ByteSink & ~Copyable)) {
        var text = text
        text.withUTF8 { source in
            if JSONText.needsNoEscape(source.span) {
                bytes.append(UInt8(ascii: "\""))
                bytes.append(contentsOf: source)
                bytes.append(UInt8(ascii: "\""))
            } else {
                var quoted: [UInt8] = []
                JSONText.appendQuoted(utf8: source.span, to: &quoted)
                quoted.withUnsafeBufferPointer { bytes.append(contentsOf: $0) }
            }
        }
    }

    /// As ``appendQuoted(_:to:)``; `null` when there is no text.
    static func appendQuotedOrNull(_ text: String?, to bytes: inout some (ByteSink & ~Copyable)) {
        guard let text else { return append("null", to: &bytes) }
        appendQuoted(text, to: &bytes)
    }

    private static let powersOfTen: InlineArray<10, UInt64> = [
        1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000,
    ]
}
