/// Cuts text into the pieces inside which tokens merge, as GPT-2's pattern does:
/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`, after every digit was set apart when
/// the model wants that.
package struct PreTokenizer {
    private enum Class { case letter, number, blank, other }

    private let scalars: [Unicode.Scalar]
    private let classes: [Class]
    private let digitsApart: Bool

    package init(_ text: String, digitsApart: Bool) {
        scalars = Array(text.unicodeScalars)
        classes = scalars.map(Self.classify)
        self.digitsApart = digitsApart
    }

    /// Calls `piece` with the UTF-8 bytes of each piece, in order.
    package func forEach(_ piece: ([UInt8]) -> Void) {
        var start = 0
        while start < scalars.count {
            let end = end(of: start)
            var bytes: [UInt8] = []
            for scalar in scalars[start..<end] { bytes.append(contentsOf: UTF8.encode(scalar)!) }
            piece(bytes)
            start = end
        }
    }

    private func end(of start: Int) -> Int {
        if digitsApart, classes[start] == .number { return start + 1 }
        if let end = endOfContraction(start) { return end }
        // One space goes with what follows it.
        let next = scalars[start] == " " ? start + 1 : start
        if next < scalars.count, classes[next] != .blank, !(digitsApart && classes[next] == .number) {
            return endOfRun(from: next)
        }
        let end = endOfRun(from: start)
        // Of several blanks before something, the last one stays for it. A digit set apart is nothing.
        guard end < scalars.count, end - start > 1, !(digitsApart && classes[end] == .number) else { return end }
        return end - 1
    }

    private func endOfRun(from start: Int) -> Int {
        var end = start
        while end < scalars.count, classes[end] == classes[start] { end += 1 }
        return end
    }

    private func endOfContraction(_ start: Int) -> Int? {
        guard scalars[start] == "'", start + 1 < scalars.count else { return nil }
        switch scalars[start + 1] {
        case "s", "t", "m", "d": return start + 2
        case "r", "v": return start + 2 < scalars.count && scalars[start + 2] == "e" ? start + 3 : nil
        case "l": return start + 2 < scalars.count && scalars[start + 2] == "l" ? start + 3 : nil
        default: return nil
        }
    }

    private static func classify(_ scalar: Unicode.Scalar) -> Class {
        if scalar.isASCII {
            switch scalar.value {
            case 0x41...0x5A, 0x61...0x7A: return .letter
            case 0x30...0x39: return .number
            case 9...13, 32: return .blank
            default: return .other
            }
        }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return .letter
        case .decimalNumber, .letterNumber, .otherNumber: return .number
        default: return scalar.properties.isWhitespace ? .blank : .other
        }
    }
}
