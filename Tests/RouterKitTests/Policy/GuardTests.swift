import Testing
import Wire

@testable import RouterKit

@Suite struct GuardTests {
    private func set(_ phrases: [String], hints: [String] = []) throws -> GuardSet {
        try GuardSet([GuardSet.Rule(name: "g", phrases: phrases, hints: hints)])
    }

    // MARK: Matching

    @Test(arguments: [
        ("salary slip", "Where is my SALARY  slip?", true), ("salary slip", "salary and slip", false),
        ("salary slip", "salaries slip", false), ("payroll*", "the payrolls of May", true),
        ("payroll*", "pay rolls", false), ("cure", "obscure", false), ("cure", "The cure.", true),
        ("resume", "my résumé", true), ("Müller", "MULLER", true), ("straße", "Strasse", true),
        ("x-ray", "an x ray", true), ("naïve bayes*", "Nai\u{308}ve-Bayesian", true), ("処方箋", "この処方箋は何ですか", true),
        ("処方箋", "処方と箋", false), ("ДОГОВОР", "это договор.", true), ("ΝΟΜΟΣ", "νομοσ", true),
        ("a b c d e f", "x a b c d e f g", true), ("b c", "a b b c", true), ("don't", "don’t", true),
    ])
    func phrasesMatchByWords(phrase: String, text: String, matches: Bool) throws {
        #expect((try set([phrase]).match(text: text) != nil) == matches)
    }

    @Test func twoDifferentHintsAreEnoughAndTheSameTwiceIsNot() throws {
        let guards = try set([], hints: ["court", "judge*"])
        #expect(guards.match(text: "court court court") == nil)
        #expect(guards.match(text: "the judges in court") == "g")
        #expect(guards.match(text: "nothing") == nil)
    }

    @Test(arguments: ["", "*", "a*", "a* b", "pay*roll", "  ", "a b c d e f g", "!!", "ab*", "pay *"])
    func phrasesThatCannotWorkAreRefused(phrase: String) {
        #expect(throws: GuardError.self) { _ = try set([phrase]) }
    }

    @Test func namesAreSafeInReceipts() {
        for name in ["", "With Blank", "line\n", "ü", String(repeating: "a", count: 33)] {
            #expect(throws: GuardError.self) { _ = try GuardSet([GuardSet.Rule(name: name, phrases: ["a"])]) }
        }
        let twice = [GuardSet.Rule(name: "a", phrases: ["x"]), GuardSet.Rule(name: "a", phrases: ["y"])]
        #expect(throws: GuardError.self) { _ = try GuardSet(twice) }
    }

    @Test func askAndInstructionsAreReadInEveryDialect() throws {
        let guards = try set(["payroll"])
        let bodies: [(String, Dialect)] = [
            (#"{"model":"auto","messages":[{"role":"user","content":"the payroll"}]}"#, .chatCompletions),
            (
                #"{"model":"auto","messages":[{"role":"system","content":"payr\u006fll"},{"role":"user","content":"hi"}]}"#,
                .chatCompletions
            ),
            (
                #"{"model":"auto","messages":[{"content":[{"type":"text","text":"payroll"}],"role":"developer"},{"role":"user","content":"hi"}]}"#,
                .chatCompletions
            ),
            (
                #"{"model":"auto","system":[{"type":"text","text":"the payroll"}],"messages":[{"role":"user","content":"hi"}]}"#,
                .messages
            ),
            (#"{"model":"auto","instructions":"payroll","input":"hi"}"#, .responses),
            (
                #"{"model":"auto","input":[{"role":"system","content":"payroll"},{"role":"user","content":"hi"}]}"#,
                .responses
            ),
            (
                #"{"model":"auto","messages":[{"role":"user","content":"explain the payroll of our firm to me"},{"role":"assistant","content":"..."},{"role":"user","content":"go on"}]}"#,
                .chatCompletions
            ),
        ]
        for (body, dialect) in bodies {
            #expect(guards.match(try RequestView(Array(body.utf8), dialect: dialect)) == "g", "\(body)")
        }
        let tool =
            #"{"model":"auto","messages":[{"role":"tool","content":"payroll"},{"role":"user","content":"hello there my friend"}]}"#
        #expect(guards.match(try RequestView(Array(tool.utf8), dialect: .chatCompletions)) == nil)
    }

    @Test func anyBytesAreTaken() throws {
        let guards = try GuardSet(GuardSet.Preset.allCases.map(\.rule))
        var random = SeededRandom(seed: 3)
        for _ in 0..<3_000 {
            let bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                Bool.random(using: &random)
                    ? UInt8.random(in: 0xC0...0xFF, using: &random) : .random(in: 0...255, using: &random)
            }
            var matcher = GuardMatcher(GuardTable(), ruleCount: 0)
            matcher.read(bytes.span)
            #expect(matcher.found == nil)
            _ = guards.match(text: String(decoding: bytes, as: UTF8.self))
        }
    }

    // MARK: The policy

    private let cards = [
        Fixture.card("small", tier: .cheap, price: (0.1, 0.1)), Fixture.card("middle", tier: .mid, price: (1, 1)),
        Fixture.card("large", tier: .strong, price: (10, 10)),
    ]

    private func choose(_ policy: TradePolicy, _ view: PoolView, _ prompt: String) throws -> Plan {
        let assessment = Assessment(
            difficulty: 0.1, quality: QualityCurve(cheap: 0.9, mid: 0.9, strong: 0.9), support: 1, signals: [])
        return try policy.choose(view, for: try RequestView(asking: prompt), given: assessment, mode: .cost)
    }

    @Test func aGuardedRequestNeverGoesDown() throws {
        let policy = TradePolicy(guards: try set(["payroll"]))
        #expect(try choose(policy, PoolView(cards: cards), "hello").chosen.model == "small")
        let plan = try choose(policy, PoolView(cards: cards), "run the payroll")
        #expect(plan.candidates.map(\.model) == ["large"] && plan.chosen.reason == .guarded("g"))
        #expect("\(plan.chosen.reason)" == "guard g, so the strongest tier")
        #expect(plan.rejected.allSatisfy { $0.reason == .belowFloor(guard: "g", .strong) })
        // Busy is no reason to go down: the client is told when to come back.
        let busy = PoolView(cards: cards, availability: [.available, .available, .coolingDown(retryAfter_ms: 900)])
        do {
            _ = try choose(policy, busy, "run the payroll")
            Issue.record("a guarded request went down")
        } catch let error as NoCandidate {
            #expect(error.code == .unavailable && error.retryAfter_ms == 900)
        }
    }

    @Test func aFloorLeavesTheChoiceAboveIt() throws {
        let rules = [GuardSet.Rule(name: "g", phrases: ["payroll"])]
        let policy = TradePolicy(guards: try GuardSet(rules, floor: .mid))
        let plan = try choose(policy, PoolView(cards: cards), "run the payroll")
        #expect(plan.candidates.map(\.model) == ["middle", "large"])
        #expect(plan.rejected.map(\.reason) == [.belowFloor(guard: "g", .mid)])
        // A pool that has nothing at the floor answers with the strongest that it has.
        let small = try choose(policy, PoolView(cards: Array(cards.prefix(1))), "run the payroll")
        #expect(small.chosen.model == "small")
    }

    @Test func guardsAreInTheHash() throws {
        let texts = [
            TradePolicy().canonicalText, TradePolicy(guards: try set(["a"])).canonicalText,
            TradePolicy(guards: try set(["b"])).canonicalText,
            TradePolicy(guards: try set([], hints: ["a"])).canonicalText,
        ]
        #expect(Set(texts).count == 4)
    }

    // MARK: Presets

    /// At least 90 % of what belongs to a topic is found, and at least 90 % of what is found belongs to some topic.
    @Test func presetsFindTheirTopicsAndLeaveOthersAlone() throws {
        for (preset, prompts) in GuardExamples.topics {
            let guards = try GuardSet([preset.rule])
            let missed = prompts.filter { guards.match(text: $0) == nil }
            #expect(missed.count * 10 <= prompts.count, "\(preset) missed \(missed)")
            let alarms = GuardExamples.others.filter { guards.match(text: $0) != nil }
            #expect(alarms.count * 10 <= prompts.count - missed.count + alarms.count, "\(preset) wrongly \(alarms)")
        }
    }
}
