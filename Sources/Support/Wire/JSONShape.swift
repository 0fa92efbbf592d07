/// A JSON text that was read in full, kept to recognize others that differ from it only inside of some strings, as the
/// events of one stream of tokens do: one comparison in place of a validation and a walk.
public struct JSONShape: Sendable {
    private let text: [UInt8]
    /// Contents of the strings that may differ, in order.
    private let loose: [Range<Int>]
    private let mark: Range<Int>

    /// The shape of `document`, whatever stands around its value included.
    ///
    /// - Parameters:
    ///   - values: values in it, in order, whose strings may differ; keys of members inside of them are such strings too.
    ///   - mark: bytes to be found again in texts of this shape, outside of `values`.
    public init(_ document: JSONDocument, looseIn values: [Range<Int>], mark: Range<Int>) {
        let bytes = document.bytes
        let span = bytes.span
        var loose: [Range<Int>] = []
        for value in values {
            precondition(value.clamped(to: mark).isEmpty, "the mark lies in what may differ")
            var index = value.lowerBound
            // Outside of strings no quote means anything else.
            while let quote = span.firstIndex(of: ASCII.quote, in: index..<value.upperBound) {
                index = JSONScan.skipString(span, quote)
                loose.append((quote + 1)..<(index - 1))
            }
        }
        text = bytes
        self.loose = loose
        self.mark = mark
    }

    /// Where the mark lies in `span`, when `span` is of this shape: then its value is valid JSON as well, and says the same
    /// but for the strings that may differ. Nil when it is not.
    public func mark(in span: Span<UInt8>) -> Range<Int>? {
        let known = text.span
        var (old, new) = (0, 0)
        var start = mark.lowerBound
        var next = 0
        while true {
            let equal = known.equalCount(from: old, span, from: new)
            old += equal
            new += equal
            if old == known.count, new == span.count { return start..<(start + mark.count) }
            // They part here. Inside of a string that may differ, the other one's may be any valid string.
            while next < loose.count, loose[next].upperBound < old { next += 1 }
            guard next < loose.count, loose[next].lowerBound <= old else { return nil }
            let string = loose[next]
            let begin = new - (old - string.lowerBound)
            guard let end = try? JSONValidator.string(span, begin - 1) else { return nil }
            old = string.upperBound
            new = end - 1
            if old <= mark.lowerBound { start += new - begin - string.count }
            next += 1
        }
    }
}
