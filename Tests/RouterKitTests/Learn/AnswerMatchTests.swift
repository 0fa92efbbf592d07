import Testing

@testable import RouterKit

@Suite struct AnswerMatchTests {
    private func compare(_ left: String, _ right: String, _ rule: AnswerMatch.Rule = .auto) -> AnswerMatch.Verdict {
        AnswerMatch.compare(Array(left.utf8), Array(right.utf8), rule: rule)
    }

    @Test(arguments: [
        ("C", "C"), ("(C)", "C"), ("C.", "C"), ("**C**", "C"), ("The answer is (C).", "C"), ("Answer: C", "C"),
        ("The correct answer is option C", "C"), ("Think. The answer is B? No. The answer is **C**.", "C"),
        ("C) because of the law", "C"), ("so \\boxed{C}", "C"), ("A man walks", nil), ("I think so", nil),
        ("", nil), ("answer", nil), ("The answer is yes", nil), ("The answer is: Carbon", nil), ("K", nil),
        ("J: it is so", "J"),
    ])
    func lettersOfChoicesAreFound(text: String, letter: String?) {
        #expect(AnswerMatch.choice(Array(text.utf8)[...]).map { String(decoding: [$0], as: UTF8.self) } == letter)
    }

    @Test(arguments: [
        ("42", 42.0), ("#### 1,234", 1234), ("so 3 and 4 make\nthe total 7.", 7),
        ("The answer is $18.50 in 2 days", 18.5),
        ("\\boxed{-3}", -3), ("x = 3/4", 0.75), ("about 50%", 50), ("H2O", nil), ("3 apples\nare eaten", nil),
        ("", nil), ("answer", nil), ("5/0", 0), ("-", nil), ("1.5.2", 2),
    ])
    func finalNumbersAreFound(text: String, number: Double?) {
        #expect(FinalNumber.find(Array(text.utf8)[...]) == number)
    }

    @Test func agreementIsOnlyWhatIsPlainlyTheSame() {
        #expect(compare("The answer is (B).", "B") == .init(rule: .choice, similarity: 1))
        #expect(compare("The answer is (B).", "A").similarity == 0)
        #expect(compare("#### 12", "It is 12.0") == .init(rule: .number, similarity: 1))
        #expect(compare("12", "13").similarity == 0)
        #expect(compare("  Paris. ", "paris") == .init(rule: .exact, similarity: 1))
        #expect(compare("Paris", "Rome").similarity == 0)
        #expect(compare("", "") == .init(rule: .exact, similarity: 0))
        #expect(compare("B", "no idea", .choice).similarity == 0)
        #expect(compare("B", "12").similarity == 0)
    }

    @Test func similarityLiesBetweenNoneAndAll() {
        #expect(compare("the cat sat on the mat", "The cat sat on the mat!", .similar).similarity == 1)
        #expect(compare("the cat sat on the mat", "quarterly revenue grew", .similar).similarity == 0)
        let some = compare("the cat sat on the mat", "the cat lay on the rug", .similar).similarity
        #expect(some > 0.4 && some < 0.9)
        #expect(compare("", "", .similar).similarity == 0)
        #expect(compare("猫は座った", "猫は座った", .similar).similarity == 1)
    }

    @Test func anyBytesAreTaken() {
        var random = SeededRandom(seed: 9)
        let pieces = ["answer", "boxed{", "}", "####", "C", ")", "12", "/", ".", ",", "-", "\u{0}", "é", " ", "\n"]
        for _ in 0..<5_000 {
            let texts = (0..<2).map { _ in
                (0..<Int.random(in: 0...8, using: &random)).flatMap { _ in
                    Int.random(in: 0..<8, using: &random) == 0
                        ? [UInt8.random(in: 0...255, using: &random)]
                        : Array(pieces.randomElement(using: &random)!.utf8)
                }
            }
            for rule in AnswerMatch.Rule.allCases {
                let verdict = AnswerMatch.compare(texts[0], texts[1], rule: rule)
                #expect((0...1.000_001).contains(verdict.similarity))
                #expect(abs(verdict.similarity - AnswerMatch.compare(texts[1], texts[0], rule: rule).similarity) < 1e-9)
            }
        }
    }
}
