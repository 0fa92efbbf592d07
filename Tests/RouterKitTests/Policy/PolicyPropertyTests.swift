import RouterKit
import Testing
import Wire

/// Properties over thousands of generated pools; the generator is seeded, so a failure repeats.
@Suite struct PolicyPropertyTests {
    private struct Case {
        var cards: [ModelCard]
        var quality: [String: Double]
        var requirements: Requirements
        var support: Double
        var mode: RoutingMode
        var availability: [Availability]

        func plan() throws(NoCandidate) -> Plan {
            try TradePolicy().plan(
                PoolView(cards: cards, availability: availability), for: requirements, support: support, mode: mode
            ) { quality[$0.name]! }
        }
    }

    private static func make(_ random: inout SplitMix64) -> Case {
        let count = Int.random(in: 1...8, using: &random)
        let prices: [(Double, Double)?] = [nil, (0, 0), (0.1, 0.4), (1, 4), (1, 4), (3, 15)]
        let cards = (0..<count).map { index in
            Fixture.card(
                "m\(index)", tier: CapabilityTier.allCases.randomElement(using: &random)!,
                price: prices.randomElement(using: &random)!,
                window: [500, 4_000, 128_000].randomElement(using: &random)!,
                modalities: Bool.random(using: &random) ? [.text, .image] : .text,
                tools: Int.random(in: 0..<4, using: &random) > 0,
                dialects: Bool.random(using: &random) ? [.chatCompletions] : [.chatCompletions, .messages])
        }
        var quality: [String: Double] = [:]
        // A coarse grid, so that ties and exact band edges are common.
        for card in cards { quality[card.name] = Double(Int.random(in: 40...50, using: &random)) / 50 }
        let states: [Availability] = [.available, .available, .available, .saturated, .coolingDown(retryAfter_ms: 7)]
        return Case(
            cards: cards, quality: quality,
            requirements: Requirements(
                dialect: Bool.random(using: &random) ? .chatCompletions : .messages,
                inputTokens: [10, 1_000, 50_000].randomElement(using: &random)!,
                modalities: Bool.random(using: &random) ? .text : [.text, .image],
                needsTools: Bool.random(using: &random)),
            support: [0, 0.49, 0.5, 1].randomElement(using: &random)!,
            mode: RoutingMode.allCases.randomElement(using: &random)!,
            availability: cards.map { _ in states.randomElement(using: &random)! })
    }

    private func forEachPlan(_ count: Int = 3_000, _ body: (Case, Plan, inout SplitMix64) throws -> Void) throws {
        var random = SplitMix64(seed: 42)
        var planned = 0
        for _ in 0..<count {
            let generated = Self.make(&random)
            guard let plan = try? generated.plan() else { continue }
            planned += 1
            try body(generated, plan, &random)
        }
        #expect(planned > count / 4, "too few pools had a candidate for the property to mean anything")
    }

    @Test func everyModelAppearsOnceWithAReason() throws {
        try forEachPlan { generated, plan, _ in
            let names = (plan.candidates + plan.rejected).map(\.model)
            #expect(names.sorted() == generated.cards.map(\.name).sorted())
            #expect(plan.candidates.allSatisfy { !$0.reason.isRejection && !$0.reason.description.isEmpty })
            #expect(plan.rejected.allSatisfy { $0.reason.isRejection && !$0.reason.description.isEmpty })
        }
    }

    @Test func everyModelAppearsOnceInARefusalToo() {
        var random = SplitMix64(seed: 43)
        var refused = 0
        for _ in 0..<3_000 {
            let generated = Self.make(&random)
            do {
                _ = try generated.plan()
            } catch {
                refused += 1
                #expect(error.rejected.map(\.model) == generated.cards.map(\.name))
                #expect((error.code == .unavailable) == (error.retryAfter_ms != nil))
            }
        }
        #expect(refused > 100)
    }

    @Test func theSameInputGivesTheSamePlan() throws {
        try forEachPlan(500) { generated, plan, _ in
            let again = try generated.plan()
            #expect(again == plan)
        }
    }

    @Test func predictingLessOfAModelNeverGetsItChosen() throws {
        try forEachPlan { generated, plan, random in
            for candidate in plan.candidates.dropFirst() {
                var worse = generated
                worse.quality[candidate.model]! -= Double.random(in: 0.001...0.3, using: &random)
                let chosen = try worse.plan().chosen.model
                #expect(chosen != candidate.model)
            }
        }
    }

    @Test func aBetterPriceNeverLoses() throws {
        try forEachPlan { generated, plan, random in
            let index = generated.cards.firstIndex { $0.name == plan.chosen.model }!
            guard let price = generated.cards[index].price else { return }
            var cheaper = generated
            let factor = Double.random(in: 0...0.99, using: &random)
            cheaper.cards[index].price = Price(
                inputPerMTok: price.inputPerMTok * factor, outputPerMTok: price.outputPerMTok * factor)
            let chosen = try cheaper.plan().chosen.model
            #expect(chosen == plan.chosen.model)
        }
    }

    @Test func withoutSupportTheStrongestEligibleTierAnswers() throws {
        try forEachPlan { generated, plan, _ in
            guard generated.support < 0.5 else { return }
            #expect(plan.chosen.tier == plan.candidates.map(\.tier).max())
        }
    }

    @Test func theChoiceLiesWithinItsBandAndNothingCheaperDoes() throws {
        try forEachPlan { generated, plan, _ in
            guard generated.support >= 0.5 else { return }
            let floor = plan.candidates.compactMap(\.quality).max()! - QualityBands()[generated.mode] - 1e-6
            #expect(plan.chosen.quality! >= floor)
            for other in plan.candidates where other.quality! >= floor + 2e-6 {
                #expect((plan.chosen.cost_usd ?? .infinity) <= (other.cost_usd ?? .infinity))
            }
        }
    }

    @Test func failoverNeverGoesDownBeforeItHasGoneUp() throws {
        try forEachPlan { _, plan, _ in
            let isWeaker = plan.candidates.map { $0.tier < plan.chosen.tier }
            #expect(isWeaker == isWeaker.sorted { !$0 && $1 })
        }
    }
}
