import Testing
import Transport
import Wire

@testable import RouterKit

@Suite struct ExplanationTests {
    /// Decides by the word "theorem", and knows nothing of prompts without "about".
    private struct WordClassifier: ComplexityClassifier {
        let version = "words"
        func assess(_ request: borrowing RequestView) -> Assessment {
            let text = request.ask.text
            let words = Set(text.split { !$0.isLetter }.map { $0.lowercased() })
            let cheap = words.contains("theorem") || words.isSuperset(of: ["hard", "difficult"]) ? 0.2 : 0.9
            return Assessment(
                difficulty: 1 - cheap, quality: QualityCurve(cheap: cheap, mid: 0.9, strong: 0.95),
                support: words.contains("about") ? 1 : 0.2, signals: [])
        }
    }

    private static let cards = [
        Fixture.card("small", tier: .cheap, price: (0.1, 0.1)), Fixture.card("middle", tier: .mid, price: (1, 1)),
        Fixture.card("large", tier: .strong, price: (10, 10)),
    ]

    private func router(
        _ classifier: any ComplexityClassifier = WordClassifier(), _ policy: TradePolicy = TradePolicy(),
        cards: [ModelCard] = cards, limits: Limits = .standard
    ) throws -> Router {
        var configuration = Router.Configuration(pool: try ModelPool(cards: cards), transport: FakeTransport([:]))
        configuration.classifier = classifier
        configuration.policy = policy
        configuration.limits = limits
        return Router(configuration)
    }

    /// A policy with one trade for every mode.
    private func policy(_ trade: Trade, supportThreshold: Double = 0.5) -> TradePolicy {
        let mode = PolicyTable.Mode(trade: trade, allowedLoss: 0.01, estimatedLoss: 0, saved: 0.5)
        let pool = PolicyTable.Pool(
            models: Self.cards.map {
                PolicyTable.Model(name: $0.name, tier: $0.tier, price: $0.price!, outputTokens: 100)
            },
            supportThreshold: supportThreshold, rowCount: 1_000,
            modes: Dictionary(uniqueKeysWithValues: RoutingMode.allCases.map { ($0, mode) }))
        return TradePolicy(table: PolicyTable(classifierVersion: "words", pools: [pool]))
    }

    private func choice(_ router: Router, _ prompt: String, mode: RoutingMode? = nil) throws -> String {
        try router.route(RouterCall(try RequestView(asking: prompt), mode: mode)).chosenModel
    }

    // MARK: The prompt

    @Test func `the word that decides is found, and taking it out decides`() throws {
        let router = try router(WordClassifier(), TradePolicy(supportThreshold: 0.1))
        let prompt = "Tell me about the theorem of Pythagoras. Then say something else about it. The Theorem is old."
        let explanation = try router.explain(prompt, mode: .cost)
        #expect(explanation.decision.chosenModel == "middle")
        let flip = try #require(explanation.promptFlip)
        #expect(flip.edit.kind == .word && flip.edit.text == "theorem" && flip.edit.ranges.count == 2)
        #expect(flip.model == "small")
        #expect(try choice(router, flip.edit.applied(to: prompt), mode: .cost) == flip.model)
        #expect(explanation.isEveryEditTried)
    }

    @Test func `the smallest edit wins`() throws {
        let prompt = "Speak about a theorem. Go."
        let flip = try #require(try router().explain(prompt, mode: .cost).promptFlip)
        // "about" is shorter, and without it the strongest model answers for want of support.
        #expect(flip.edit.text == "about" && flip.model == "large")
        #expect(flip.reason == .strongestForLowSupport(support: 0.2))
    }

    @Test func `words that decide only together are found together`() throws {
        let prompt = "Something about hard and about difficult theorem things, and about more theorem things"
        struct Both: ComplexityClassifier {
            let version = "both"
            func assess(_ request: borrowing RequestView) -> Assessment {
                let words = request.ask.text.split(separator: " ")
                let cheap = words.contains { ["hard", "difficult"].contains($0) } ? 0.2 : 0.94
                return Assessment(
                    difficulty: 0.5, quality: QualityCurve(cheap: cheap, mid: 0.9, strong: 0.95), support: 1,
                    signals: [])
            }
            func evidence(
                for request: borrowing RequestView, between stronger: borrowing ModelCard,
                and weaker: borrowing ModelCard
            ) -> Evidence? {
                let parts = [("hard", 0.4), ("difficult", 0.3), ("more", 0.2)].map {
                    Evidence.Part(kind: .word, name: $0.0, weight: $0.1, value: 1)
                }
                return Evidence(stronger: stronger.name, weaker: weaker.name, gap: 0.9, baseline: 0, parts: parts)
            }
        }
        let router = try router(Both())
        let explanation = try router.explain(prompt, mode: .quality)
        #expect(explanation.decision.chosenModel == "large")
        #expect(explanation.promptFlip == nil)
        let cheaper = try router.explain(prompt, mode: .balanced)
        #expect(cheaper.decision.chosenModel == "large")
        let flip = try #require(cheaper.promptFlip)
        #expect(flip.edit.kind == .words && flip.edit.text == "hard, difficult" && flip.model == "small")
        #expect(try choice(router, flip.edit.applied(to: prompt)) == "small")
    }

    @Test func `sentences and blocks of code are tried whole`() {
        let prompt = "First one. Second one?\n```\nlet x = 1\n```\nThird one!"
        let edits = PromptEdits(Array(prompt.utf8), windowBytes: 2_048)
        #expect(edits.code.map { $0.applied(to: prompt) } == ["First one. Second one?\nThird one!"])
        #expect(
            edits.sentences.map(\.text) == [
                "First one. ", "Second one?\n", "```\n", "let x = 1\n", "```\n", "Third one!",
            ])
        #expect(edits.words.map(\.text) == ["First", "one", "Second", "let", "x", "1", "Third"])
        #expect(edits.words[1].applied(to: prompt) == "First . Second ?\n```\nlet x = 1\n```\nThird !")
    }

    @Test(arguments: [2, 3, 4, 5, 100]) func `edits keep characters whole`(_ windowBytes: Int) {
        let prompt = "żółć 解释! ¿qué? ünï"
        let edits = PromptEdits(Array(prompt.utf8), windowBytes: windowBytes)
        for edit in edits.words + edits.sentences {
            let rest = edit.applied(to: Array(prompt.utf8))
            #expect(String(validating: rest, as: UTF8.self) != nil)
            #expect(rest.count == prompt.utf8.count - edit.removedBytes)
        }
    }

    @Test(arguments: [
        "", " \n", "?!", "\u{0}\u{1}\u{7F}", "解释", "```", "a",
        String(decoding: [0xFF, 0xC3, 0x28, 0x80], as: UTF8.self),
    ])
    func `prompts without sense are explained without a crash`(_ prompt: String) throws {
        for classifier in [HeuristicClassifier(), WordClassifier(), LearnedClassifier()] as [any ComplexityClassifier] {
            let explanation = try router(classifier).explain(prompt)
            #expect(explanation.support < 0.5)
            #expect(explanation.decision.chosenModel == "large")
            if let flip = explanation.promptFlip {
                #expect(try choice(try router(classifier), flip.edit.applied(to: prompt)) == flip.model)
            }
            _ = try JSONDocument(validating: explanation.json())
        }
    }

    @Test func `ten megabytes are explained with few tries`() throws {
        let prompt = String(repeating: "a word about nothing. ", count: 480_000) + "theorem"
        let cards = Self.cards.map {
            Fixture.card($0.name, tier: $0.tier, price: (1, 1), window: 100_000_000)
        }
        var limits = Limits.standard
        limits.explainScanBytes = 20_000_000
        let explanation = try router(cards: cards, limits: limits).explain(prompt)
        #expect(explanation.triedEditsCount <= 4)
        _ = try JSONDocument(validating: explanation.json())
    }

    @Test func `the number of tries is bounded`() throws {
        var limits = Limits.standard
        limits.explainEditCount = 10
        let letters = Array("abcdefghijklmnopqrstuvwxyz")
        let words = (0..<200).map { String([letters[$0 / 26], letters[$0 % 26]]) }.joined(separator: " ")
        let explanation = try router(limits: limits).explain("about theorem " + words, mode: .quality)
        #expect(explanation.triedEditsCount <= 10 && !explanation.isEveryEditTried)
    }

    // MARK: The policy

    @Test func `every change of a trade that is reported gives that model`() throws {
        let prompt = "Tell me about rivers"
        for trade in [Trade(costWeight_perUSD: 20, margin: 0), Trade(costWeight_perUSD: 300, margin: 0.01)] {
            let explanation = try router(WordClassifier(), policy(trade)).explain(prompt)
            let names = explanation.policyFlips.map(\.parts.name)
            #expect(names.contains("cost_weight_per_usd") && names.contains("margin") && names.contains("quality"))
            for flip in explanation.policyFlips {
                var changed = trade
                switch flip.change {
                case .costWeight_perUSD(let from, let to):
                    #expect(from == trade.costWeight_perUSD)
                    changed.costWeight_perUSD = to
                case .margin(let from, let to):
                    #expect(from == trade.margin)
                    changed.margin = to
                default: continue
                }
                #expect(flip.model != explanation.decision.chosenModel)
                #expect(try choice(try router(WordClassifier(), policy(changed)), prompt) == flip.model)
            }
        }
    }

    @Test func `a change of quality or price that is reported gives that model`() throws {
        struct Fixed: ComplexityClassifier {
            var version: String { "words" }
            let names: ModelPredictions.Names
            var quality: [Double]
            func assess(_ request: borrowing RequestView) -> Assessment {
                var models = ModelPredictions(names: names)
                for (index, value) in quality.enumerated() { models.set(index, Float(value)) }
                return Assessment(
                    difficulty: 0.5, quality: QualityCurve(cheap: 0, mid: 0, strong: 0), models: models, support: 1,
                    signals: [])
            }
        }
        let names = Self.cards.map(\.name)
        let fixed = Fixed(names: .init(names), quality: [0.5, 0.7, 0.9])
        for policy in [policy(Trade(costWeight_perUSD: 50, margin: 0)), TradePolicy(bands: .init(balanced: 0.3))] {
            let explanation = try router(fixed, policy).explain("Tell me about rivers")
            let change = explanation.policyFlips.compactMap { flip -> (String, Double, String)? in
                if case .quality(let model, _, let to) = flip.change { return (model, to, flip.model) }
                return nil
            }
            let (model, to, expected) = try #require(change.first)
            #expect(change.count == 1 && expected == model)
            var changed = fixed
            changed.quality[names.firstIndex(of: model)!] = to
            #expect(try choice(try router(changed, policy), "Tell me about rivers") == expected)
        }
        let dear = policy(Trade(costWeight_perUSD: 300, margin: 0))
        let explanation = try router(fixed, dear).explain("Tell me about rivers")
        let flip = try #require(explanation.policyFlips.first { $0.parts.name == "cost_usd" })
        let (from, to) = (try #require(flip.parts.from), try #require(flip.parts.to))
        #expect(explanation.decision.chosenModel == "middle" && flip.parts.subject == "large" && flip.model == "large")
        let cheaper = Fixture.card("large", tier: .strong, price: (10 * to / from, 10 * to / from))
        let changed = try router(fixed, dear, cards: Self.cards.dropLast() + [cheaper])
        #expect(try choice(changed, "Tell me about rivers") == "large")
    }

    @Test(arguments: [0.0, 0.03, 0.06, 0.5]) func `a band that is reported gives that model`(_ band: Double) throws {
        let prompt = "Tell me about rivers"
        let bands = QualityBands(quality: band, balanced: band, cost: band)
        let explanation = try router(WordClassifier(), TradePolicy(bands: bands)).explain(prompt)
        let flip = try #require(explanation.policyFlips.first { $0.parts.name == "band" })
        let to = try #require(flip.parts.to)
        let changed = QualityBands(quality: to, balanced: to, cost: to)
        #expect(try choice(try router(WordClassifier(), TradePolicy(bands: changed)), prompt) == flip.model)
    }

    @Test func `low support, guards and promises are named as what decided`() throws {
        let unknown = try router().explain("rivers and markets", mode: .cost)
        #expect(unknown.support < unknown.supportThreshold ?? 0)
        let support = try #require(unknown.policyFlips.first { $0.parts.name == "support_threshold" })
        #expect(support.model == "middle" || support.model == "small")
        var lenient = TradePolicy()
        lenient.supportThreshold = try #require(support.parts.to)
        #expect(try choice(try router(WordClassifier(), lenient), "rivers and markets", mode: .cost) == support.model)

        var guarded = TradePolicy()
        guarded.guards = try GuardSet([.init(name: "water", phrases: ["river*"])])
        let alarm = try router(WordClassifier(), guarded).explain("about rivers", mode: .cost)
        #expect(alarm.decision.chosenModel == "large")
        #expect(alarm.policyFlips.contains { $0.change == .withoutGuards && $0.model != "large" })
        let flip = try #require(alarm.promptFlip)
        #expect(flip.edit.text == "rivers" || flip.reason == .strongestForLowSupport(support: 0.2))

        var promised = TradePolicy()
        promised.promise = Promise()
        let kept = try router(WordClassifier(), promised).explain("about rivers", mode: .cost)
        #expect(kept.policyFlips.contains { $0.change == .withoutPromise && $0.model != "large" })
    }

    @Test func `a mode that is reported gives that model`() throws {
        let explanation = try router().explain("Tell me about rivers", mode: .quality)
        var found = 0
        for flip in explanation.policyFlips {
            guard case .mode(let mode) = flip.change else { continue }
            found += 1
            #expect(try choice(try router(), "Tell me about rivers", mode: mode) == flip.model)
        }
        #expect(found > 0)
    }

    @Test func `the learned classifier's flips flip`() throws {
        let cards = EvidenceTests.pools[0].enumerated().map {
            Fixture.card($1.name, tier: $1.tier, price: (Double(1 + $0 * 4), Double(1 + $0 * 4)))
        }
        var found = 0
        for ask in EvidenceTests.asks {
            var policy = TradePolicy()
            policy.supportThreshold = 0.1
            let router = try router(LearnedClassifier(), policy, cards: cards)
            let explanation = try router.explain(ask)
            if let flip = explanation.promptFlip {
                found += 1
                #expect(flip.model != explanation.decision.chosenModel)
                #expect(try choice(router, flip.edit.applied(to: ask)) == flip.model)
            }
            _ = try JSONDocument(validating: explanation.json())
        }
        #expect(found > 1, "\(found)")
    }
}
