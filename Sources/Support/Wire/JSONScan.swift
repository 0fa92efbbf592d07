/// Moves over JSON that is known to be valid.
enum JSONScan {
    /// First index from `start` that is not a blank (RFC 8259 section 2), or the count.
    @inline(__always)
    static func skipBlanks(_ span: Span<UInt8>, _ start: Int) -> Int {
        var index = start
        while index < span.count {
            let byte = span[index]
            if byte > ASCII.space { return index }
            guard
                byte == ASCII.space || byte == ASCII.lineFeed || byte == ASCII.carriageReturn || byte == ASCII.tab
            else { return index }
            index &+= 1
        }
        return index
    }

    /// First index from `start` that is not a digit, or the count.
    @inline(__always)
    static func skipDigits(_ span: Span<UInt8>, _ start: Int) -> Int {
        var index = start
        while index < span.count, ASCII.isDigit(span[index]) { index &+= 1 }
        return index
    }

    /// The index after the value that begins at `start`.
    static func skipValue(_ span: Span<UInt8>, _ start: Int) -> Int {
        switch span[start] {
        case ASCII.quote: return skipString(span, start)
        case ASCII.openBrace, ASCII.openBracket: return skipContainer(span, start)
        default: return skipScalar(span, start)
        }
    }

    /// The index after the string that opens at `start`.
    static func skipString(_ span: Span<UInt8>, _ start: Int) -> Int {
        var index = start &+ 1
        while true {
            index = span.first(ByteSets.QuoteOrBackslash.self, from: index)
            if span[index] == ASCII.quote { return index &+ 1 }
            index &+= 2  // a backslash and what it escapes
        }
    }

    /// Brackets of both kinds nest rightly, so counting them together is enough.
    private static func skipContainer(_ span: Span<UInt8>, _ start: Int) -> Int {
        var depth = 0
        var index = start
        while true {
            index = span.first(ByteSets.QuoteOrBracket.self, from: index)
            switch span[index] {
            case ASCII.quote:
                index = skipString(span, index)
                continue
            case ASCII.openBrace, ASCII.openBracket:
                depth &+= 1
            case ASCII.closeBrace, ASCII.closeBracket:
                depth &-= 1
                if depth == 0 { return index &+ 1 }
            default:
                break
            }
            index &+= 1
        }
    }

    private static func skipScalar(_ span: Span<UInt8>, _ start: Int) -> Int {
        var index = start
        while index < span.count {
            switch span[index] {
            case ASCII.comma, ASCII.closeBrace, ASCII.closeBracket, 0...ASCII.space: return index
            default: index &+= 1
            }
        }
        return index
    }
}
