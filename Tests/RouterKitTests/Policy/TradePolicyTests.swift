import RouterKit
import Testing
import Wire

@Suite struct TradePolicyTests {
    private let chat = Requirements(dialect: .chatCompletions, inputTokens: 1_000)
    private let cards = [
        Fixture.card("small", tier: .cheap, price: (0.1, 0.1)), Fixture.card("middle", tier: .mid, price: (1, 1)),
        Fixture.card("large", tier: .strong, price: (10, 10)),
    ]

    private static func table(
        _ trade: Trade, guarantees: [PolicyTable.Guarantee] = [], classifier: String = "c-1"
    ) -> PolicyTable {
        let models = [("small", CapabilityTier.cheap, 0.1), ("middle", .mid, 1), ("large", .strong, 10)].map {
            PolicyTable.Model(
                name: $0.0, tier: $0.1, price: Price(inputPerMTok: $0.2, outputPerMTok: $0.2), outputTokens: 1_000)
        }
        let mode = PolicyTable.Mode(trade: trade, allowedLoss: 0.01, estimatedLoss: 0.005, saved: 0.4)
        return PolicyTable(
            classifierVersion: classifier,
            pools: [
                PolicyTable.Pool(
                    models: models, supportThreshold: 0.3, rowCount: 5_000, modes: [.balanced: mode],
                    guarantees: guarantees)
            ])
    }

    private func plan(
        _ policy: TradePolicy, _ cards: [ModelCard]? = nil, mode: RoutingMode = .balanced, support: Double = 1,
        _ quality: [Double] = [0.80, 0.90, 0.93], classifier: String = "c-1"
    ) throws -> Plan {
        let cards = cards ?? self.cards
        let bound = try #require(policy.bound(to: cards, classifierVersion: classifier) as? TradePolicy)
        return try bound.plan(PoolView(cards: cards), for: chat, support: support, mode: mode) { card in
            quality[cards.firstIndex { $0.name == card.name }!]
        }
    }

    /// Costs of 2,000 tokens: 0.0002, 0.002, 0.02 USD.
    @Test func theGreatestQualityLessCostIsChosen() throws {
        let cheap = try plan(TradePolicy(table: Self.table(Trade(costWeight_perUSD: 100, margin: 0))))
        #expect(cheap.candidates.map(\.model) == ["small", "middle", "large"].reversed().reversed())
        #expect(cheap.chosen.model == "small")
        #expect(cheap.chosen.reason == .bestTrade(allowedLoss: 0.01))
        #expect(cheap.chosen.cost_usd == 0.0002)
        guard case .worseTrade(let shortBy) = cheap.candidates[2].reason else {
            Issue.record("\(cheap.candidates[2].reason)")
            return
        }
        #expect(abs(shortBy - ((0.80 - 0.02) - (0.93 - 2.0))) < 1e-9)
        let dear = try plan(TradePolicy(table: Self.table(Trade(costWeight_perUSD: 1, margin: 0.1))))
        #expect(dear.chosen.model == "large")
        let middle = try plan(TradePolicy(table: Self.table(Trade(costWeight_perUSD: 10, margin: 0.1))))
        #expect(middle.chosen.model == "middle")
    }

    @Test func theMarginBelongsToTheStrongestThatCanAnswer() throws {
        let policy = TradePolicy(table: Self.table(Trade(costWeight_perUSD: 0, margin: 0.2)))
        let bound = try #require(policy.bound(to: cards, classifierVersion: "c-1") as? TradePolicy)
        let view = PoolView(cards: cards, availability: [.available, .available, .saturated])
        let plan = try bound.plan(view, for: chat, support: 1, mode: .balanced) { $0.name == "small" ? 0.9 : 0.8 }
        #expect(plan.candidates.map(\.model) == ["middle", "small"])
    }

    @Test func modesWithoutAnEntryAndUnknownPoolsUseBands() throws {
        let policy = TradePolicy(table: Self.table(Trade(costWeight_perUSD: 1_000, margin: 0)))
        #expect(try plan(policy, mode: .cost).chosen.reason == .cheapestInBand(band: 0.06))
        #expect(try plan(policy, classifier: "c-2").chosen.reason == .cheapestInBand(band: 0.02))
        let more = cards + [Fixture.card("new", tier: .strong)]
        #expect(try plan(policy, more, [0.8, 0.9, 0.93, 0.9]).chosen.reason == .cheapestInBand(band: 0.02))
        var unpriced = cards
        unpriced[0].price = nil
        #expect(try plan(policy, unpriced).chosen.reason == .cheapestInBand(band: 0.02))
        var retiered = cards
        retiered[1].tier = .strong
        #expect(try plan(policy, retiered).chosen.reason == .cheapestInBand(band: 0.02))
    }

    @Test func aCalibratedPoolHasItsOwnSupportThreshold() throws {
        let policy = TradePolicy(table: Self.table(Trade(costWeight_perUSD: 1_000, margin: 0)))
        #expect(try plan(policy, support: 0.31).chosen.model == "small")
        #expect(try plan(policy, support: 0.29).chosen.reason == .strongestForLowSupport(support: 0.29))
        #expect(
            try plan(policy, support: 0.31, classifier: "c-2").chosen.reason == .strongestForLowSupport(support: 0.31))
    }

    @Test func aPromiseIsKeptByItsProvenTradeOrByTheStrongest() throws {
        let promise = Promise(loss: 0.01, confidence: 0.95)
        func entry(_ trade: Trade?, rows: Int = 5_000, _ promise: Promise = Promise()) -> PolicyTable.Guarantee {
            PolicyTable.Guarantee(
                promise: promise, trade: trade, rowCount: rows, neededRowCount: 333, pValue: trade == nil ? 1 : 0.04,
                saved: 0.2)
        }
        func chosen(
            _ guarantees: [PolicyTable.Guarantee], _ cards: [ModelCard]? = nil, classifier: String = "c-1"
        ) throws -> Candidate {
            let table = Self.table(Trade(costWeight_perUSD: 1_000, margin: 0), guarantees: guarantees)
            return try plan(TradePolicy(table: table, promise: promise), cards, mode: .cost, classifier: classifier)
                .chosen
        }
        let cheap = Trade(costWeight_perUSD: 1_000, margin: 0)
        #expect(try chosen([entry(cheap)]).model == "small")
        #expect(try chosen([entry(cheap)]).reason == .guaranteed(promise))
        #expect("\(try chosen([entry(cheap)]).reason)" == "guaranteed to lose at most 1 point at 95 % confidence")
        // A stricter promise covers, a looser one does not.
        #expect(try chosen([entry(cheap, Promise(loss: 0.005, confidence: 0.99))]).model == "small")
        #expect(try chosen([entry(cheap, Promise(loss: 0.02, confidence: 0.95))]).reason == .noGuarantee(.noPromise))
        #expect(try chosen([entry(nil)]).reason == .noGuarantee(.notProven))
        let few = try chosen([entry(nil, rows: 120)])
        #expect(few.model == "large" && few.reason == .noGuarantee(.tooFewRows(needed: 333, have: 120)))
        #expect("\(few.reason)".contains("not enough calibration (120 labelled prompts, at least 333 are needed)"))
        var dearer = cards
        dearer[0].price = Price(inputPerMTok: 0.2, outputPerMTok: 0.1)
        #expect(try chosen([entry(cheap)], dearer).reason == .noGuarantee(.changedPrices))
        #expect(try chosen([entry(cheap)], classifier: "c-2").reason == .noGuarantee(.otherWeights))
        #expect(try chosen([entry(cheap)], Array(cards.dropFirst())).model == "large")
        #expect(
            try TradePolicy(promise: promise).plan(PoolView(cards: cards), for: chat, support: 1, mode: .cost) { _ in 1
            }
            .chosen.reason == .noGuarantee(.noTable))
    }

    @Test func aPoolWhoseCardsWereReplacedIsNotJudgedByTheOldBinding() throws {
        let policy = TradePolicy(table: Self.table(Trade(costWeight_perUSD: 1_000, margin: 0)))
        let bound = try #require(policy.bound(to: cards, classifierVersion: "c-1") as? TradePolicy)
        let swapped = [cards[1], cards[0], cards[2]]
        let plan = try bound.plan(PoolView(cards: swapped), for: chat, support: 1, mode: .balanced) { _ in 0.5 }
        #expect(plan.chosen.reason == .cheapestInBand(band: 0.02))
    }

    @Test func whatDecidesIsInTheCanonicalText() {
        let plain = TradePolicy().canonicalText
        #expect(TradePolicy(promise: Promise()).canonicalText != plain)
        let one = TradePolicy(table: Self.table(Trade(costWeight_perUSD: 1, margin: 0))).canonicalText
        let two = TradePolicy(table: Self.table(Trade(costWeight_perUSD: 2, margin: 0))).canonicalText
        #expect(one != plain && one != two)
    }

    // MARK: The file

    @Test func aFileReadsBackAsItWasWritten() throws {
        let guarantees = [
            PolicyTable.Guarantee(
                promise: Promise(), trade: Trade(costWeight_perUSD: 0.1 + 0.2, margin: -0.005), rowCount: 5_000,
                neededRowCount: 333, pValue: 0.0421, saved: 0.2),
            PolicyTable.Guarantee(
                promise: Promise(loss: 0.005, confidence: 0.99), trade: nil, rowCount: 10, neededRowCount: 900,
                pValue: 1, saved: 0),
        ]
        let table = Self.table(Trade(costWeight_perUSD: 1.0 / 3, margin: 0.07), guarantees: guarantees)
        let text = table.fileText()
        #expect(try PolicyTable(Array(text.utf8)) == table)
        #expect(try PolicyTable(Array(text.replacing("\n", with: " \n\t").utf8)) == table)
        let empty = PolicyTable(classifierVersion: "x", pools: [])
        #expect(try PolicyTable(Array(empty.fileText().utf8)) == empty)
    }

    @Test func aDamagedFileIsRefusedByName() {
        let text = Self.table(Trade(costWeight_perUSD: 100, margin: 0.07)).fileText()
        func code(_ text: some StringProtocol) -> PolicyTableError.Code? {
            do {
                _ = try PolicyTable(Array(text.utf8))
                return nil
            } catch { return error.code }
        }
        #expect(code(text) == nil)
        #expect(code(text.replacing("0.07", with: "0.06")) == .wrongChecksum)
        #expect(code(text.replacing("\"format\": 1", with: "\"format\": 2")) == .newerFormat)
        #expect(code(text.replacing("\"margin\": 0.07", with: "\"margin\": 7")) == .invalidMember)
        #expect(code(text.replacing("\"rows\"", with: "\"rosw\"")) == .invalidMember)
        #expect(code("[]") == .invalidMember)
        for length in stride(from: 0, to: text.utf8.count - 2, by: 7) {
            #expect(code(text.prefix(length)) == .invalidJSON)
        }
    }

    @Test func everyReasonHasATextAndALabel() {
        let gaps: [PolicyTable.Gap] = [
            .noTable, .otherWeights, .unknownPool, .changedModels, .changedPrices, .noPromise,
            .tooFewRows(needed: 2, have: 1), .notProven,
        ]
        for reason in gaps.map(Reason.noGuarantee) + [.bestTrade(allowedLoss: 0.05), .worseTrade(shortBy: 0.1)] {
            #expect(!reason.isRejection && !reason.description.isEmpty && !reason.label.description.isEmpty)
            #expect(reason.description.utf8.allSatisfy { (0x20..<0x7F).contains($0) && $0 != 0x22 && $0 != 0x5C })
        }
        #expect(Reason.bestTrade(allowedLoss: 0.05).description.contains("at most 5 points"))
    }
}
