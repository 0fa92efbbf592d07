/// Whether two answers to the same prompt say the same, without a model and without a grader's key.
///
/// Serves two masters: a cascade, which accepts cheap answers that agree, and the comparison of shadow answers. For
/// both a wrong "yes" costs more than a wrong "no", so each rule wants a final answer that is plainly there.
public enum AnswerMatch {
    /// How two answers were compared.
    public enum Rule: String, Sendable, Hashable, CaseIterable {
        /// The first of `choice`, `number` and `exact` for which both answers have something to compare.
        case auto
        /// The letter of a multiple-choice answer.
        case choice
        /// The final number.
        case number
        /// The whole text, without regard to case, blanks and punctuation at its ends.
        case exact
        /// The words and letter triples that both share.
        case similar
    }

    /// What came of a comparison.
    public struct Verdict: Sendable, Hashable {
        /// The rule that decided; never `auto`.
        public let rule: Rule
        /// 1 when the answers say the same by a rule that knows only yes and no; else how similar they are, 0...1.
        public let similarity: Double
    }

    /// Bytes of an answer that are looked at: the last ones, where answers conclude.
    static let mostBytes = 16 * 1024

    /// Compares two answers in UTF-8.
    public static func compare(_ left: [UInt8], _ right: [UInt8], rule: Rule = .auto) -> Verdict {
        let (left, right) = (left.suffix(mostBytes), right.suffix(mostBytes))
        switch rule {
        case .choice: return verdict(.choice, choice(left), choice(right))
        case .number: return numbers(FinalNumber.find(left), FinalNumber.find(right))
        case .exact: return verdict(.exact, normalised(left), normalised(right))
        case .similar:
            let (words, others) = (AnswerWords(left), AnswerWords(right))
            return Verdict(rule: .similar, similarity: min(words.tokenF1(others), words.trigramCosine(others)))
        case .auto:
            let (letter, other) = (choice(left), choice(right))
            if letter != nil, other != nil { return verdict(.choice, letter, other) }
            let (number, second) = (FinalNumber.find(left), FinalNumber.find(right))
            if number != nil, second != nil { return numbers(number, second) }
            return verdict(.exact, normalised(left), normalised(right))
        }
    }

    /// Nothing to compare is no agreement.
    private static func verdict<Answer: Equatable>(_ rule: Rule, _ left: Answer?, _ right: Answer?) -> Verdict {
        Verdict(rule: rule, similarity: left != nil && left == right ? 1 : 0)
    }

    private static func numbers(_ left: Double?, _ right: Double?) -> Verdict {
        guard let left, let right else { return Verdict(rule: .number, similarity: 0) }
        let isEqual = (left - right).magnitude <= 1e-6 * max(1, left.magnitude, right.magnitude)
        return Verdict(rule: .number, similarity: isEqual ? 1 : 0)
    }

    // MARK: Final answers

    /// The letter A-J that a multiple-choice answer ends on: after the last "answer" ("the answer is (C)"), in the
    /// last `\boxed{}`, or the whole or the beginning of the answer ("C", "C. Because ...").
    static func choice(_ text: ArraySlice<UInt8>) -> UInt8? {
        if let boxed = boxed(text), boxed.count == 1, let letter = letter(boxed.first!) { return letter }
        if let start = lastAnswer(in: text) {
            var index = start
            while let word = AnswerText.word(text, &index, within: 24) {
                if word.count == 1, let letter = letter(text[word.lowerBound]) { return letter }
                guard
                    ["is", "option", "choice", "letter", "the", "correct"].contains(where: {
                        AnswerText.equals(text[word], $0)
                    })
                else { break }
            }
        }
        var index = text.startIndex
        guard let word = AnswerText.word(text, &index, within: 8), word.count == 1,
            let letter = letter(text[word.lowerBound])
        else { return nil }
        // "A man ..." begins with an article: a letter at the beginning must stand alone or be marked off.
        guard index < text.endIndex else { return letter }
        return [UInt8(ascii: "."), UInt8(ascii: ")"), UInt8(ascii: ":"), UInt8(ascii: "\n")].contains(text[index])
            || text[index...].allSatisfy { !AnswerText.isWordByte($0) } ? letter : nil
    }

    private static func letter(_ byte: UInt8) -> UInt8? {
        (UInt8(ascii: "A")...UInt8(ascii: "J")).contains(byte) ? byte : nil
    }

    /// Where the text after the last "answer" begins.
    static func lastAnswer(in text: ArraySlice<UInt8>) -> Int? {
        AnswerText.last("answer", in: text).map { $0 + 6 }
    }

    /// What is inside the last `\boxed{...}`, without nested braces.
    static func boxed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard let start = AnswerText.last("boxed{", in: text).map({ $0 + 6 }),
            let end = text[start...].firstIndex(of: UInt8(ascii: "}"))
        else { return nil }
        return text[start..<end]
    }

    /// Lower case, one blank between words, no punctuation or marks at the ends; `nil` when nothing is left.
    static func normalised(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        var out: [UInt8] = []
        out.reserveCapacity(text.count)
        for byte in text {
            if byte <= 0x20 {
                if let last = out.last, last != 0x20 { out.append(0x20) }
            } else {
                out.append(AnswerText.lowered(byte))
            }
        }
        while let last = out.last, !AnswerText.isWordByte(last) { out.removeLast() }
        let first = out.firstIndex(where: AnswerText.isWordByte) ?? out.endIndex
        return first == out.endIndex ? nil : Array(out[first...])
    }
}
