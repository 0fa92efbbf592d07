import Testing
import Wire

@testable import RouterKit

@Suite struct EvidenceTests {
    static let asks = [
        "Which of the following is the capital budgeting method that a firm should use?\nA. payback\nB. net present value\n"
            + "C. average return\nD. profit",
        "A train leaves at 3 pm with 120 people. At each of 4 stops 12 get off and 7.5 % more get on. How many are left?",
        "Prove that the square root of 2 is irrational.", "def f(x):\n    return x + 1\n\nWhat does f(f(2)) return?",
        "hi, how are you?", "Translate into French: the cat sits on the mat.", "yes", "解释", "?! \u{1} \u{FFFD}",
        String(repeating: "lorem ipsum dolor sit amet 42, ", count: 400),
    ]

    /// One pool per expert of the shipped weights, models in their order.
    static let pools = LearnedWeights.shipped.experts.filter { !$0.family.isEmpty }.map { expert in
        expert.models.enumerated().map { Fixture.card($1, tier: CapabilityTier(rawValue: min(2, $0))!) }
    }

    @Test func `learned evidence adds up to the difference of the predictions`() throws {
        var found = 0
        for cards in Self.pools {
            let classifier = LearnedClassifier().bound(to: cards)
            for ask in Self.asks {
                let request = try RequestView(asking: ask)
                let assessment = classifier.assess(request)
                for weaker in cards.dropLast() {
                    let evidence = classifier.evidence(for: request, between: cards.last!, and: weaker)
                    guard let evidence else { continue }
                    found += 1
                    let gap = assessment.quality(of: cards.last!) - assessment.quality(of: weaker)
                    #expect(evidence.gap == gap)
                    let sum = evidence.baseline + evidence.parts.reduce(0) { $0 + $1.weight }
                    // Qualities end at 0 and 1; only there may anything but rounding be left.
                    let qualities = cards.map { assessment.quality(of: $0) }
                    if qualities.allSatisfy({ $0 > 0 && $0 < 1 }) { #expect(abs(sum - gap) < 1e-4, "\(ask)") }
                    #expect(abs(sum + evidence.clamped - gap) < 1e-12)
                }
            }
        }
        #expect(found > 20)
    }

    @Test func `two weaker models are compared by the same heads`() throws {
        let cards = try #require(Self.pools.first { $0.count >= 3 })
        let classifier = LearnedClassifier().bound(to: cards)
        let request = try RequestView(asking: Self.asks[0])
        let first = try #require(classifier.evidence(for: request, between: cards[1], and: cards[0]))
        let turned = try #require(classifier.evidence(for: request, between: cards[0], and: cards[1]))
        #expect(abs(first.gap + turned.gap) < 1e-9)
        #expect(abs(first.clamped) < 1e-4)
        for part in first.parts {
            let other = turned.parts.first { $0.name == part.name && $0.kind == part.kind }
            #expect(abs(part.weight + (other?.weight ?? 0)) < 1e-9)
        }
    }

    @Test func `tiers of models that nobody measured are explained too`() throws {
        let cards = CapabilityTier.allCases.map { Fixture.card("nobody-\($0.name)", tier: $0) }
        let request = try RequestView(asking: Self.asks[1])
        let evidence = try #require(LearnedClassifier().evidence(for: request, between: cards[2], and: cards[0]))
        #expect(!evidence.parts.isEmpty)
        let sum = evidence.baseline + evidence.parts.reduce(0) { $0 + $1.weight } + evidence.clamped
        #expect(abs(sum - evidence.gap) < 1e-12)
    }

    @Test func `words and pairs are spelled as the prompt has them`() throws {
        let cards = Self.pools[0]
        let evidence = try #require(
            LearnedClassifier().bound(to: cards).evidence(
                for: try RequestView(asking: "Prove Fermat's theorem"), between: cards.last!, and: cards[0]))
        let words = Set(evidence.parts.filter { $0.kind == .word }.map(\.name))
        let pairs = Set(evidence.parts.filter { $0.kind == .pair }.map(\.name))
        #expect(words.isSubset(of: ["Prove", "Fermat", "s", "theorem"]) && words.count >= 2, "\(words)")
        #expect(pairs.isSubset(of: ["Prove (first)", "Prove Fermat", "Fermat s", "s theorem"]), "\(pairs)")
    }

    @Test func `every bucket of a scan can be spelled`() {
        for ask in Self.asks {
            let text = Array(ask.utf8)
            let scan = PromptScan(text.span)
            let spelled = PromptScan.spelled(text)
            for index in 0..<scan.bucketsCount { #expect(spelled[scan.buckets[index]] != nil) }
        }
    }

    /// The names stand in a list of their own: a count that is moved without its name must be noticed.
    @Test(arguments: [
        ("numbers", "7 and 12, 3.5", 4), ("long words", "extraordinary circumstances are", 2), ("commas", "a,b,c", 2),
        ("backslashes", #"\frac \pi"#, 2), ("hyphens", "a-b-c-d", 3), ("comparison signs", "1 < 2 > 0", 2),
        ("answer choices", "which?\nA. one\nB. two\nC. three", 3), ("indented lines", "x:\n    a\n    b", 2),
        ("ends with a question mark", "why?", 1), ("sentences", "One. Two! Three?", 3), ("negations", "not now", 1),
        ("function definitions", "def f", 1), ("return statements", "return 1", 1), ("asks for reasons", "why how", 2),
        ("Roman numerals", "part IV", 1), ("numbers of three digits or more", "1000 and 20", 1),
        ("catch-all choices", "q\nA. none of these\nB. x", 1), ("double underscores", "__init", 1),
        ("blank lines", "a\n\nb", 1),
    ])
    func `counts carry their names`(_ name: String, _ text: String, _ value: Float) throws {
        #expect(StructureCounts.names.count == PromptScan.countCount)
        #expect(Set(StructureCounts.names).count == PromptScan.countCount)
        let scan = PromptScan(Array(text.utf8).span)
        let index = try #require(StructureCounts.names.firstIndex(of: name))
        #expect(scan.counts[index] == value)
    }

    @Test func `the counting rules' evidence adds up as well`() throws {
        let cards = CapabilityTier.allCases.map { Fixture.card($0.name, tier: $0) }
        let classifier = HeuristicClassifier()
        for ask in Self.asks {
            let request = try RequestView(asking: ask)
            let assessment = classifier.assess(request)
            guard let evidence = classifier.evidence(for: request, between: cards[2], and: cards[0]) else { continue }
            #expect(evidence.gap == assessment.quality.strong - assessment.quality.cheap)
            let sum = evidence.baseline + evidence.parts.reduce(0) { $0 + $1.weight }
            // The stronger tier is never taken for worse.
            if evidence.gap > 0 { #expect(abs(sum - evidence.gap) < 1e-9, "\(ask)") } else { #expect(sum < 1e-9) }
        }
        let known = try RequestView(asking: Self.asks[4])
        #expect(classifier.evidence(for: known, between: cards[2], and: cards[0])?.parts.first?.name == "small-talk")
        let nothing = try RequestView(asking: "")
        #expect(classifier.evidence(for: nothing, between: cards[2], and: cards[0]) == nil)
    }
}
