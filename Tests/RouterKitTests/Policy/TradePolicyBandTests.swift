import RouterKit
import Testing
import Wire

@Suite struct TradePolicyBandTests {
    private let chat = Requirements(dialect: .chatCompletions, inputTokens: 1_000)
    private let policy = TradePolicy()

    /// Four models: quality by tier 0.80, 0.90, 0.93; prices rise with the tier.
    private let cards = [
        Fixture.card("small", tier: .cheap, price: (0.1, 0.1)), Fixture.card("middle", tier: .mid, price: (1, 1)),
        Fixture.card("large", tier: .strong, price: (10, 10)), Fixture.card("largest", tier: .strong, price: (20, 20)),
    ]

    private func plan(
        _ view: PoolView, _ mode: RoutingMode, support: Double = 1, quality: [CapabilityTier: Double]? = nil
    ) throws -> Plan {
        let curve = quality ?? [.cheap: 0.80, .mid: 0.90, .strong: 0.93]
        return try policy.plan(view, for: chat, support: support, mode: mode) { curve[$0.tier]! }
    }

    private func failure(_ view: PoolView, for requirements: Requirements) -> NoCandidate? {
        do {
            _ = try policy.plan(view, for: requirements, support: 1, mode: .balanced) { _ in 0.5 }
            return nil
        } catch {
            return error
        }
    }

    @Test func modesGiveUpAsMuchQualityAsTheirBandsSay() throws {
        let view = PoolView(cards: cards)
        #expect(try plan(view, .quality).chosen.model == "large")
        #expect(try plan(view, .quality).chosen.reason == .bestQuality)
        #expect(try plan(view, .balanced).chosen.model == "large")
        #expect(try plan(view, .cost).chosen.model == "middle")
        #expect(try plan(view, .cost).chosen.reason == .cheapestInBand(band: 0.06))
        let near: [CapabilityTier: Double] = [.cheap: 0.91, .mid: 0.92, .strong: 0.93]
        #expect(try plan(view, .balanced, quality: near).chosen.model == "small")
    }

    @Test func bandsAreConfigurable() throws {
        let wide = TradePolicy(bands: QualityBands(quality: 0.2, balanced: 0.2, cost: 0.2))
        let plan = try wide.plan(PoolView(cards: cards), for: chat, support: 1, mode: .quality) {
            $0.tier == .cheap ? 0.8 : 0.9
        }
        #expect(plan.chosen.model == "small")
    }

    @Test func lowSupportGoesToTheStrongestTierWhateverTheMode() throws {
        for mode in RoutingMode.allCases {
            let plan = try plan(PoolView(cards: cards), mode, support: 0.49)
            #expect(plan.chosen.model == "large")
            #expect(plan.chosen.reason == .strongestForLowSupport(support: 0.49))
        }
        #expect(try plan(PoolView(cards: cards), .cost, support: 0.5).chosen.model == "middle")
    }

    @Test func anUnknownPriceCountsAsDearestAndStaysUnknown() throws {
        let view = PoolView(cards: [
            Fixture.card("secret", tier: .mid, price: nil), Fixture.card("known", tier: .mid, price: (99, 99)),
        ])
        let plan = try plan(view, .cost)
        #expect(plan.chosen.model == "known")
        #expect(plan.candidates[1].cost_usd == nil)
        #expect(plan.candidates[1].reason == .priceUnknown)
        let alone = try self.plan(PoolView(cards: [Fixture.card("secret", price: nil)]), .cost)
        #expect(alone.chosen.model == "secret")
        #expect(alone.chosen.cost_usd == nil)
    }

    @Test func aPriceOfZeroIsAPrice() throws {
        let view = PoolView(cards: [
            Fixture.card("own", tier: .mid, price: (0, 0)), Fixture.card("rented", tier: .mid, price: (1, 1)),
        ])
        #expect(try plan(view, .balanced).chosen.cost_usd == 0)
        #expect(try plan(view, .balanced).chosen.model == "own")
    }

    @Test func theEstimateIsTokensTimesPrice() throws {
        let plan = try plan(PoolView(cards: [Fixture.card("m", price: (2, 10))]), .quality)
        #expect(plan.chosen.cost_usd == 0.006)
    }

    @Test func failoverTriesEqualAndStrongerBeforeWeaker() throws {
        let near: [CapabilityTier: Double] = [.cheap: 0.5, .mid: 0.92, .strong: 0.93]
        let view = PoolView(cards: cards + [Fixture.card("middle2", tier: .mid, price: (3, 3))])
        let plan = try plan(view, .balanced, quality: near)
        #expect(plan.candidates.map(\.model) == ["middle", "middle2", "large", "largest", "small"])
        let unsure = try self.plan(view, .balanced, support: 0, quality: near)
        #expect(unsure.candidates.map(\.model) == ["large", "largest", "middle", "middle2", "small"])
    }

    @Test func busyAndBrokenModelsAreRejectedForNow() throws {
        let view = PoolView(
            cards: cards, availability: [.available, .available, .coolingDown(retryAfter_ms: 9), .saturated])
        let plan = try plan(view, .quality)
        #expect(plan.chosen.model == "middle")
        #expect(plan.rejected.map(\.reason) == [.coolingDown(retryAfter_ms: 9), .saturated])
        #expect(plan.alwaysStrong.model == "large")
    }

    @Test func onlyAllowedModelsAreCandidates() throws {
        let plan = try plan(PoolView(cards: cards, allowed: ["small"]), .quality)
        #expect(plan.candidates.map(\.model) == ["small"])
        #expect(plan.rejected.allSatisfy { $0.reason == .notAllowed })
    }

    @Test func aRequestThatFitsNoWindowNamesTheLargest() {
        let view = PoolView(cards: [Fixture.card("m", window: 100), Fixture.card("n", window: 900)])
        var requirements = chat
        requirements.maxOutputTokens = 5
        let error = failure(view, for: requirements)
        #expect(error?.code == .contextTooLong)
        #expect(error?.httpStatus == 400)
        #expect(error?.detail.contains("900 tokens (n)") == true)
        #expect(error?.detail.contains("1005") == true)
        #expect(error?.rejected.count == 2)
    }

    @Test func aBusyPoolSaysWhenToComeBackInsteadOfBlamingTheRequest() {
        let view = PoolView(
            cards: [Fixture.card("tiny", window: 10)] + cards.prefix(2),
            availability: [.available, .coolingDown(retryAfter_ms: 4_200), .coolingDown(retryAfter_ms: 2_100)])
        let error = failure(view, for: chat)
        #expect(error?.code == .unavailable)
        #expect(error?.httpStatus == 503)
        #expect(error?.retryAfter_ms == 2_100)
        #expect(error?.detail.contains("3 s") == true)
    }

    @Test func aPoolWithoutTheFeatureNamesIt() {
        var requirements = chat
        requirements.modalities.insert(.image)
        let error = failure(PoolView(cards: cards), for: requirements)
        #expect(error?.code == .unsupported)
        #expect(error?.detail.contains("small: does not take image") == true)
    }

    @Test func pinningTakesTheNamedModelOrNobody() throws {
        let plan = try Plan.pinned(to: "small", PoolView(cards: cards), for: chat)
        #expect(plan.candidates.map(\.model) == ["small"])
        #expect(plan.chosen.reason == .pinned)
        #expect(plan.chosen.quality == nil)
        #expect(plan.rejected.map(\.reason) == [.notRequested, .notRequested, .notRequested])
        do {
            _ = try Plan.pinned(to: "nobody", PoolView(cards: cards), for: chat)
            Issue.record("a model that is not there was pinned")
        } catch {
            #expect(error.code == .unknownModel)
            #expect(error.httpStatus == 404)
            #expect(error.detail.contains("small, middle, large, largest"))
        }
        var messages = chat
        messages.dialect = .messages
        do {
            _ = try Plan.pinned(to: "small", PoolView(cards: cards), for: messages)
            Issue.record("a model that does not speak the dialect was pinned")
        } catch {
            #expect(error.code == .unsupported)
        }
    }
}
